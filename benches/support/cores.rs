//! What keeps the cores busy: every thread of some processes, and the machine as a whole.

use super::meter::Group;
use anyhow::{Context, Result};
use procfs::process::{Process, all_processes};
use procfs::{CurrentSI, KernelStats};
use std::collections::HashMap;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

/// What was used until one moment.
pub struct Reading {
    at: Instant,
    /// By thread id.
    threads: HashMap<i32, Thread>,
    machine: Duration,
}

struct Thread {
    process: &'static str,
    name: String,
    cpu: Duration,
}

/// What was used between two moments, each in cores: 1 is one core for all of the time.
#[derive(Clone, Debug)]
pub struct Busy {
    /// All that ran on the machine, whoever started it.
    pub machine: f64,
    /// The thread that used most.
    pub busiest: Option<Busiest>,
}

#[derive(Clone, Debug)]
pub struct Busiest {
    pub process: &'static str,
    pub thread: String,
    pub cores: f64,
}

/// How many cores the machine has.
pub fn count() -> f64 {
    available_parallelism().map_or(1.0, |count| count.get() as f64)
}

/// What the threads of these processes, and all others, have used since they started.
pub fn read(groups: &[Group]) -> Result<Reading> {
    let mut threads = HashMap::new();
    for group in groups {
        let process = Process::new(group.pid).with_context(|| format!("the process of {}", group.name))?;
        add_threads(&mut threads, group.name, &process);
        if group.with_children {
            let is_child = |process: &Process| process.stat().is_ok_and(|stat| stat.ppid == group.pid);
            all_processes()?.flatten().filter(is_child).for_each(|child| add_threads(&mut threads, group.name, &child));
        }
    }
    let all = KernelStats::current()?.total;
    let busy = all.user + all.nice + all.system + all.irq.unwrap_or(0) + all.softirq.unwrap_or(0);
    Ok(Reading { at: Instant::now(), threads, machine: time(busy + all.steal.unwrap_or(0)) })
}

/// Threads that end while they are read are left out.
fn add_threads(threads: &mut HashMap<i32, Thread>, process: &'static str, of: &Process) {
    for task in of.tasks().into_iter().flatten().flatten() {
        if let Ok(stat) = task.stat() {
            threads.insert(task.tid, Thread { process, name: stat.comm, cpu: time(stat.utime + stat.stime) });
        }
    }
}

fn time(ticks: u64) -> Duration {
    Duration::from_secs_f64(ticks as f64 / procfs::ticks_per_second() as f64)
}

/// What was used between two readings of the same processes.
pub fn between(before: &Reading, after: &Reading) -> Busy {
    let seconds = (after.at - before.at).as_secs_f64().max(1e-3);
    let cores = |used: Duration| used.as_secs_f64() / seconds;
    let used = |(id, thread): (&i32, &Thread)| {
        let earlier = before.threads.get(id).map_or(Duration::ZERO, |earlier| earlier.cpu);
        Busiest {
            process: thread.process,
            thread: thread.name.clone(),
            cores: cores(thread.cpu.saturating_sub(earlier)),
        }
    };
    let busiest = after.threads.iter().map(used).max_by(|a, b| a.cores.total_cmp(&b.cores));
    Busy { machine: cores(after.machine.saturating_sub(before.machine)), busiest }
}
