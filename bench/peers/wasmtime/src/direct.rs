//! The least a native host can do: wasmtime's `InstancePre` and the waPC imports, with no library in between. What this
//! measures is the engine, and it is the number to beat.

use wasmtime::{Caller, Engine, Extern, InstancePre, Linker, Memory, Module, Store};

use crate::{wasi, Failure, Host};

#[derive(Default)]
pub struct State {
    operation: Vec<u8>,
    payload: Vec<u8>,
    response: Vec<u8>,
    error: Vec<u8>,
}

pub struct Direct {
    prepared: InstancePre<State>,
}

impl Direct {
    pub fn new(engine: Engine, module: Module) -> Result<Self, Failure> {
        let mut linker: Linker<State> = Linker::new(&engine);
        add_wapc(&mut linker)?;
        wasi::add_preview1(&mut linker)?;
        linker.define_unknown_imports_as_traps(&module)?;
        Ok(Self { prepared: linker.instantiate_pre(&module)? })
    }
}

/// Start functions in the order the waPC specification gives them.
const STARTERS: [&str; 3] = ["_initialize", "_start", "wapc_init"];

impl Host for Direct {
    fn evaluate(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, Failure> {
        let state = State { operation: operation.into(), payload: payload.into(), ..State::default() };
        let mut store = Store::new(self.prepared.module().engine(), state);
        store.set_epoch_deadline(1 << 40);
        let instance = self.prepared.instantiate(&mut store)?;
        for starter in STARTERS {
            if let Some(start) = instance.get_func(&mut store, starter) {
                start.typed::<(), ()>(&store)?.call(&mut store, ())?;
            }
        }
        let call = instance.get_typed_func::<(u32, u32), u32>(&mut store, "__guest_call")?;
        let succeeded = call.call(&mut store, (operation.len() as u32, payload.len() as u32))?;
        let state = store.into_data();
        if succeeded == 0 {
            return Err(String::from_utf8_lossy(&state.error).into_owned().into());
        }
        Ok(state.response)
    }
}

pub fn memory(caller: &mut Caller<'_, State>) -> wasmtime::Result<Memory> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory),
        _ => Err(wasmtime::Error::msg("the module exports no memory")),
    }
}

fn copy_out(caller: &mut Caller<'_, State>, from: u32, length: u32) -> wasmtime::Result<Vec<u8>> {
    let memory = memory(caller)?;
    let end = from as usize + length as usize;
    let slice = memory.data(&*caller).get(from as usize..end);
    slice.map(<[u8]>::to_vec).ok_or_else(|| wasmtime::Error::msg("out of bounds"))
}

fn add_wapc(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap("wapc", "__guest_request", |mut caller: Caller<'_, State>, operation: u32, payload: u32| {
        let memory = memory(&mut caller)?;
        let (bytes, state) = memory.data_and_store_mut(&mut caller);
        wasi::write(bytes, operation, &state.operation)?;
        wasi::write(bytes, payload, &state.payload)
    })?;
    linker.func_wrap("wapc", "__guest_response", |mut caller: Caller<'_, State>, from: u32, length: u32| {
        caller.data_mut().response = copy_out(&mut caller, from, length)?;
        Ok(())
    })?;
    linker.func_wrap("wapc", "__guest_error", |mut caller: Caller<'_, State>, from: u32, length: u32| {
        caller.data_mut().error = copy_out(&mut caller, from, length)?;
        Ok(())
    })?;
    linker.func_wrap("wapc", "__console_log", |_: Caller<'_, State>, _: u32, _: u32| {})?;
    Ok(())
}
