//! Datagram doors: read as fast as they come, kept in order, counted when lost.

use std::net::SocketAddr;
use std::sync::Arc;

use receivers::{Door, Incoming, Receiver};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::limits::{DATAGRAM_BYTES_MAX, DATAGRAMS_PER_APPEND_MAX, DATAGRAMS_QUEUED_MAX};
use crate::{Services, now_unix_nano};

struct Datagram {
    from: SocketAddr,
    received_at_unix_nano: i64,
    payload: Vec<u8>,
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
    let reading = read(socket, sender, receiver, services.clone(), stop);
    let keeping = keep(queue, receiver, endpoint, services);
    tokio::join!(reading, keeping);
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
        let datagram = Datagram { from, received_at_unix_nano: now_unix_nano(), payload: buffer[..length].to_vec() };
        if let Err(mpsc::error::TrySendError::Full(lost)) = queue.try_send(datagram) {
            services.ingest.activity().lost(receiver.name(), 1, lost.received_at_unix_nano);
        }
    }
}

async fn keep(mut queue: mpsc::Receiver<Datagram>, receiver: &'static dyn Receiver, endpoint: &'static str, services: Services) {
    let mut waiting = Vec::with_capacity(DATAGRAMS_PER_APPEND_MAX);
    while queue.recv_many(&mut waiting, DATAGRAMS_PER_APPEND_MAX).await > 0 {
        // Side by side, so that they share one commit of the log.
        let kept = waiting.iter().map(|datagram| {
            let incoming = Incoming {
                remote_addr: Some(datagram.from.ip()),
                ..Incoming::new(endpoint, datagram.received_at_unix_nano, &datagram.payload)
            };
            let services = &services;
            async move { services.ingest.take(receiver, &incoming).await }
        });
        futures::future::join_all(kept).await;
        waiting.clear();
    }
}
