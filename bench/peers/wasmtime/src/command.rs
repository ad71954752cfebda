//! WASI commands: policies that read their request from standard input and print their answer. A fresh instance runs from
//! `_start` to its end for every request, with `wasmtime-wasi` as it is published.

use wasmtime::{Engine, InstancePre, Linker, Module, Store};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::{MemoryInputPipe, MemoryOutputPipe};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

use crate::{Failure, Host};

const MAX_OUTPUT_BYTES: usize = 16 << 20;

pub struct Command {
    prepared: InstancePre<WasiP1Ctx>,
}

impl Command {
    pub fn new(engine: Engine, module: Module) -> Result<Self, Failure> {
        let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
        wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |context| context)?;
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Self { prepared: linker.instantiate_pre(&module)? })
    }
}

impl Host for Command {
    fn evaluate(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let stdout = MemoryOutputPipe::new(MAX_OUTPUT_BYTES);
        let context = WasiCtxBuilder::new()
            .args(&["policy.wasm", operation])
            .stdin(MemoryInputPipe::new(payload.to_vec()))
            .stdout(stdout.clone())
            .build_p1();
        let mut store = Store::new(self.prepared.module().engine(), context);
        store.set_epoch_deadline(1 << 40);
        let instance = self.prepared.instantiate(&mut store)?;
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
        if let Err(error) = start.call(&mut store, ()) {
            let exited = error.downcast_ref::<I32Exit>().is_some_and(|exit| exit.0 == 0);
            if !exited {
                return Err(error.into());
            }
        }
        drop(store);
        Ok(stdout.contents().to_vec())
    }
}
