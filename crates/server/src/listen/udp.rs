//! Datagram doors: read as fast as they come, kept in order, counted when lost.

use std::net::SocketAddr;
use std::sync::Arc;

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
    // Two, so that one decodes while the other waits for the disk.
    tokio::join!(reading, keep(&queue, receiver, endpoint, &services), keep(&queue, receiver, endpoint, &services));
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
) {
    let mut waiting = Vec::new();
    loop {
        if queue.lock().await.recv_many(&mut waiting, DATAGRAMS_PER_APPEND_MAX).await == 0 {
            return;
        }
        let together: Vec<Incoming<'_>> = waiting.iter().map(|datagram| datagram.incoming(endpoint)).collect();
        services.ingest.take_datagrams(receiver, &together).await;
        waiting.clear();
    }
}
