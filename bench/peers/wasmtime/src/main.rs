//! The native side of `pnpm bench engine`: one module, compiled once, evaluated on **a fresh instance per call**, as a policy
//! server does. Every line on standard input is a number of evaluations; every line on standard output answers it.

mod command;
mod direct;
mod provider;
mod wasi;

use std::io::{BufRead, Write};
use std::time::Instant;

use wasmtime::{Config, Engine, InstanceAllocationStrategy, Module, OptLevel, PoolingAllocationConfig};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Evaluates one payload on a fresh instance; the instance is gone again when this returns.
trait Host {
    fn evaluate(&self, operation: &str, payload: &[u8]) -> Result<Vec<u8>, Failure>;
}

fn engine(allocator: &str) -> Result<Engine, Failure> {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    // A server must be able to stop a guest: ours pays for its checks too.
    config.epoch_interruption(true);
    match allocator {
        "on-demand" => {}
        "pooling" => config_pool(&mut config, 0),
        // Small memories are zeroed in place instead of being given back to the kernel: the fastest setting for policies.
        "pooling-resident" => config_pool(&mut config, 16 << 20),
        other => return Err(format!("--allocator: expected on-demand, pooling or pooling-resident, got {other}").into()),
    }
    Ok(Engine::new(&config)?)
}

fn config_pool(config: &mut Config, keep_resident: usize) {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(16)
        .total_memories(16)
        .total_tables(16)
        .max_core_instance_size(16 << 20)
        .table_elements(100_000)
        .linear_memory_keep_resident(keep_resident)
        .table_keep_resident(if keep_resident == 0 { 0 } else { 1 << 20 });
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
}

fn flag(name: &str) -> Result<String, Failure> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1).ok_or_else(|| format!("{name} is missing").into())
}

fn timeval_us(time: libc::timeval) -> i64 {
    time.tv_sec as i64 * 1_000_000 + time.tv_usec as i64
}

/// CPU time (user + system) of all threads of this process in microseconds, and its largest resident size in KiB.
fn usage() -> (i64, i64) {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    (timeval_us(usage.ru_utime) + timeval_us(usage.ru_stime), usage.ru_maxrss as i64)
}

fn round(host: &dyn Host, operation: &str, payload: &[u8], evaluations: usize) -> Result<String, Failure> {
    let mut latencies: Vec<u64> = Vec::with_capacity(evaluations);
    let (before_us, _) = usage();
    for _ in 0..evaluations {
        let start = Instant::now();
        let answer = host.evaluate(operation, payload)?;
        latencies.push(start.elapsed().as_nanos() as u64);
        drop(answer);
    }
    let (after_us, max_rss_kib) = usage();
    let list = latencies.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    Ok(format!(
        "{{\"cpuUs\":{},\"maxRssKib\":{max_rss_kib},\"latenciesNs\":[{list}]}}",
        after_us - before_us
    ))
}

fn main() -> Result<(), Failure> {
    let operation = flag("--operation")?;
    let payload = std::fs::read(flag("--payload")?)?;
    let bytes = std::fs::read(flag("--module")?)?;
    let engine = engine(&flag("--allocator")?)?;
    let start = Instant::now();
    let module = Module::new(&engine, &bytes)?;
    let compile_ms = start.elapsed().as_secs_f64() * 1e3;
    let host: Box<dyn Host> = match flag("--host")?.as_str() {
        "provider" => Box::new(provider::Provider::new(engine, module)?),
        "direct" => Box::new(direct::Direct::new(engine, module)?),
        "command" => Box::new(command::Command::new(engine, module)?),
        other => return Err(format!("--host: expected provider, direct or command, got {other}").into()),
    };
    std::fs::write(flag("--answer")?, host.evaluate(&operation, &payload)?)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{{\"loadMs\":{compile_ms:.3}}}")?;
    for line in std::io::stdin().lock().lines() {
        writeln!(out, "{}", round(host.as_ref(), &operation, &payload, line?.trim().parse()?)?)?;
        out.flush()?;
    }
    Ok(())
}
