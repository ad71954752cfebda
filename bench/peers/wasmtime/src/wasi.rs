//! The part of WASI preview 1 that a waPC guest of a Rust toolchain touches: random seeds, an empty environment, a log that
//! goes nowhere. Anything else is an import that traps.

use std::fs::File;
use std::io::Read;

use wasmtime::{Caller, Linker};

use crate::direct::{memory, State};

const MODULE: &str = "wasi_snapshot_preview1";
const SUCCESS: i32 = 0;

pub fn write(memory: &mut [u8], at: u32, bytes: &[u8]) -> wasmtime::Result<()> {
    let range = at as usize..at as usize + bytes.len();
    let target = memory.get_mut(range).ok_or_else(|| wasmtime::Error::msg("out of bounds"))?;
    target.copy_from_slice(bytes);
    Ok(())
}

fn read_u32(memory: &[u8], at: u32) -> wasmtime::Result<u32> {
    let bytes = memory.get(at as usize..at as usize + 4).and_then(|slice| slice.try_into().ok());
    bytes.map(u32::from_le_bytes).ok_or_else(|| wasmtime::Error::msg("out of bounds"))
}

pub fn add_preview1(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.func_wrap(MODULE, "random_get", |mut caller: Caller<'_, State>, at: u32, length: u32| {
        let memory = memory(&mut caller)?;
        let range = at as usize..at as usize + length as usize;
        let target = memory.data_mut(&mut caller).get_mut(range);
        let target = target.ok_or_else(|| wasmtime::Error::msg("out of bounds"))?;
        if unsafe { libc::getrandom(target.as_mut_ptr().cast(), target.len(), 0) } != target.len() as isize {
            File::open("/dev/urandom")?.read_exact(target)?;
        }
        Ok(SUCCESS)
    })?;
    linker.func_wrap(MODULE, "environ_get", |_: Caller<'_, State>, _: u32, _: u32| SUCCESS)?;
    linker.func_wrap(MODULE, "environ_sizes_get", |mut caller: Caller<'_, State>, count: u32, size: u32| {
        let memory = memory(&mut caller)?;
        let bytes = memory.data_mut(&mut caller);
        write(bytes, count, &[0; 4])?;
        write(bytes, size, &[0; 4])?;
        Ok(SUCCESS)
    })?;
    linker.func_wrap(
        MODULE,
        "fd_write",
        |mut caller: Caller<'_, State>, _: u32, vectors: u32, count: u32, written: u32| {
            let memory = memory(&mut caller)?;
            let bytes = memory.data_mut(&mut caller);
            let mut total = 0;
            for index in 0..count {
                total += read_u32(bytes, vectors + index * 8 + 4)?;
            }
            write(bytes, written, &total.to_le_bytes())?;
            Ok(SUCCESS)
        },
    )?;
    Ok(())
}
