//! How it comes up, rests and ends: start with many parts, idle memory, stop.

use std::path::Path;
use std::time::Duration;

use super::{Plan, median};
use crate::clock::{now_unix_nano, wait};
use crate::load::{Kind, prepare};
use crate::server::Server;

#[derive(Clone, Copy, Debug)]
pub struct Lifecycle {
    /// From the start of the process to the line that says it is ready.
    pub start_seconds: f64,
    pub start_cpu_seconds: f64,
    pub parts: u64,
    /// With rows in memory that are not in parts yet.
    pub stop_seconds: f64,
    pub idle_megabytes: f64,
    /// Without pages of files, which are the program's own text nearly all.
    pub idle_own_megabytes: f64,
    pub idle_cpu_share: f64,
}

pub fn lifecycle(plan: &Plan, many_parts: &Path, parts: u64) -> anyhow::Result<Lifecycle> {
    let (mut starts, mut start_cpus, mut stops) = (vec![], vec![], vec![]);
    let (mut memories, mut own_memories, mut shares) = (vec![], vec![], vec![]);
    for seed in 0..plan.sizes.runs.max(3) as u64 {
        let folder = plan.borrow(many_parts, "start")?;
        let server = Server::start(&plan.stage, &folder, &plan.stage.at_rest)?;
        starts.push(server.ready_after.as_secs_f64());
        start_cpus.push(server.cpu()?.total().as_secs_f64());
        drop(server);

        let folder = plan.fresh_folder("idle")?;
        let server = Server::start(&plan.stage, &folder, &[])?;
        let before = server.cpu()?;
        wait(Duration::from_secs(plan.sizes.idle_seconds));
        memories.push(server.memory_megabytes("VmRSS")?);
        own_memories.push(server.memory_megabytes("RssAnon")?);
        shares.push(server.cpu()?.since(&before).as_secs_f64() / plan.sizes.idle_seconds as f64);
        prepare(&server, Kind::Spans, plan.sizes.spans_acked / 4, now_unix_nano(), seed)?.send(&server, None)?;
        stops.push(server.stop()?.as_secs_f64());
    }
    Ok(Lifecycle {
        start_seconds: median(&starts),
        start_cpu_seconds: median(&start_cpus),
        parts,
        stop_seconds: median(&stops),
        idle_megabytes: median(&memories),
        idle_own_megabytes: median(&own_memories),
        idle_cpu_share: median(&shares),
    })
}
