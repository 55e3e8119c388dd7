//! A small HTTP/1.1 client over one kept connection: prepared bytes out, status and body back. It costs next to nothing beside
//! the server it measures, and speaks to loopback only.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// Longer than any query may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(600);

/// One connection.
#[derive(Debug)]
pub struct Connection {
    address: SocketAddr,
    stream: BufReader<TcpStream>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> anyhow::Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("not JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Connection {
    pub fn open(address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).with_context(|| format!("cannot reach {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_TIME_MAX))?;
        Ok(Connection { address, stream: BufReader::new(stream) })
    }

    /// Sends a whole prepared request and reads its answer.
    pub fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer> {
        self.stream.get_mut().write_all(request)?;
        let (status, head) = self.read_head()?;
        let body = self.read_body(&head)?;
        Ok(Answer { status, body })
    }

    pub fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        self.exchange(request.as_bytes())
    }

    pub fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> anyhow::Result<Answer> {
        let address = self.address;
        self.exchange(&post(address, path, headers, body))
    }

    /// The lines of an endless answer, once its head is read.
    pub fn follow(mut self, path: &str) -> anyhow::Result<impl Iterator<Item = io::Result<String>>> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\naccept: text/event-stream\r\n\r\n", self.address);
        self.stream.get_mut().write_all(request.as_bytes())?;
        let (status, _) = self.read_head()?;
        if status != 200 {
            bail!("{path} answered {status}");
        }
        Ok(self.stream.lines())
    }

    fn read_head(&mut self) -> anyhow::Result<(u16, Vec<(String, String)>)> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.with_context(|| format!("cannot read a status from {line:?}"))?;
        let mut head = Vec::new();
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => head.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => return Ok((status, head)),
            }
        }
    }

    fn read_body(&mut self, head: &[(String, String)]) -> anyhow::Result<Vec<u8>> {
        let header = |name: &str| head.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        let mut body = Vec::new();
        if header("transfer-encoding") == Some("chunked") {
            loop {
                let mut line = String::new();
                self.stream.read_line(&mut line)?;
                let length = usize::from_str_radix(line.trim(), 16).with_context(|| format!("length of a chunk: {line:?}"))?;
                let from = body.len();
                body.resize(from + length, 0);
                self.stream.read_exact(&mut body[from..])?;
                self.stream.read_line(&mut line)?;
                if length == 0 {
                    return Ok(body);
                }
            }
        }
        body.resize(header("content-length").unwrap_or("0").parse()?, 0);
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }
}

/// A whole request, ready to be sent.
pub fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    let mut request = request.into_bytes();
    request.extend_from_slice(body);
    request
}
