//! Datagram doors: read as fast as they come, kept in order, counted when lost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use receivers::{Door, Incoming, Receiver};
use tokio::net::UdpSocket;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::ingest::Held;
use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAMS_PER_APPEND_MAX, DATAGRAMS_QUEUED_MAX};
use crate::{Services, now_unix_nano};

struct Datagram {
    from: SocketAddr,
    received_at_unix_nano: i64,
    payload: Vec<u8>,
    /// The room it takes.
    _held: Held,
}

impl Datagram {
    fn incoming<'a>(&'a self, endpoint: &'a str) -> Incoming<'a> {
        Incoming { remote_addr: Some(self.from.ip()), ..Incoming::new(endpoint, self.received_at_unix_nano, &self.payload) }
    }
}

/// Reads datagrams for the receiver with a UDP door until `stop`, then keeps what was already read.
pub async fn serve(socket: Arc<UdpSocket>, services: Services, stop: CancellationToken) {
    let found = receivers::all().iter().copied().find_map(|receiver| {
        receiver.doors().iter().find_map(|door| match door {
            Door::Udp { endpoint } => Some((receiver, *endpoint)),
            _ => None,
        })
    });
    let Some((receiver, endpoint)) = found else { return };
    let (sender, queue) = mpsc::channel(DATAGRAMS_QUEUED_MAX);
    let queue = Mutex::new(queue);
    let reading = read(socket, sender, receiver, services.clone(), stop);
    let batches = Batches::default();
    let keep = || keep(&queue, receiver, endpoint, &services, &batches);
    // Two, so that one decodes while the other waits for the disk.
    tokio::join!(reading, keep(), keep());
    batches.tell();
}

/// What was kept, told in the words of the X-Ray daemon, for which people look in logs: at most once a second.
#[derive(Default)]
struct Batches(parking_lot::Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    segments: usize,
    seconds: f64,
    told: Option<Instant>,
}

/// How often batches are told at most.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

impl Batches {
    fn add(&self, segments: usize, took: Duration) {
        let mut waiting = self.0.lock();
        waiting.segments += segments;
        waiting.seconds += took.as_secs_f64();
        let is_due = waiting.told.is_none_or(|told| told.elapsed() >= TELL_INTERVAL);
        drop(waiting);
        if is_due {
            self.tell();
        }
    }

    fn tell(&self) {
        let mut waiting = self.0.lock();
        if waiting.segments > 0 {
            tracing::info!("Successfully sent batch of {} segments ({:.3} seconds)", waiting.segments, waiting.seconds);
            *waiting = Waiting { told: Some(Instant::now()), ..Waiting::default() };
        }
    }
}

async fn read(
    socket: Arc<UdpSocket>,
    queue: mpsc::Sender<Datagram>,
    receiver: &'static dyn Receiver,
    services: Services,
    stop: CancellationToken,
) {
    let mut buffer = vec![0u8; DATAGRAM_BYTES_MAX];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        let (length, from) = match received {
            Ok(received) => received,
            // An ICMP answer to nobody; the socket stays good.
            Err(error) => {
                tracing::debug!(%error, "udp receive");
                continue;
            }
        };
        let received_at_unix_nano = now_unix_nano();
        let mut held = services.ingest.hold();
        let room = held.grow(length).is_ok();
        let datagram = Datagram { from, received_at_unix_nano, payload: buffer[..length].to_vec(), _held: held };
        if !room || queue.try_send(datagram).is_err() {
            let reason = "they came faster than they are kept";
            services.ingest.activity().lost(receiver.name(), 1, received_at_unix_nano, reason);
        }
    }
}

async fn keep(
    queue: &Mutex<mpsc::Receiver<Datagram>>,
    receiver: &'static dyn Receiver,
    endpoint: &'static str,
    services: &Services,
    batches: &Batches,
) {
    let mut waiting = Vec::new();
    loop {
        let mut queue = queue.lock().await;
        match tokio::time::timeout(TELL_INTERVAL, queue.recv_many(&mut waiting, DATAGRAMS_PER_APPEND_MAX)).await {
            Ok(0) => return,
            Ok(_) => drop(queue),
            Err(_) => {
                batches.tell();
                continue;
            }
        }
        let began = Instant::now();
        let together: Vec<Incoming<'_>> = waiting.iter().map(|datagram| datagram.incoming(endpoint)).collect();
        let kept = services.ingest.take_datagrams(receiver, &together).await;
        batches.add(kept, began.elapsed());
        waiting.clear();
    }
}
