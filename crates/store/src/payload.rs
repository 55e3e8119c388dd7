//! What one append writes to the log: a head of the caller's own and a body as it came.

use bytes::Bytes;

/// A record's content in two pieces, so that a request's body goes from the socket to the log without a copy between. A
/// replay gets both as one slice.
#[derive(Clone, Debug, Default)]
pub struct Payload {
    pub head: Vec<u8>,
    pub body: Bytes,
}

impl Payload {
    /// Bytes of both pieces.
    pub fn len(&self) -> usize {
        self.head.len() + self.body.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(crate) fn pieces(&self) -> [&[u8]; 2] {
        [&self.head, &self.body]
    }
}

impl From<Vec<u8>> for Payload {
    fn from(whole: Vec<u8>) -> Payload {
        Payload { head: Vec::new(), body: whole.into() }
    }
}
