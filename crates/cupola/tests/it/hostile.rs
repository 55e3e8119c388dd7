//! Bodies nobody should send: every receiver answers in its dialect, keeps nothing, grows little, and goes on.

use std::io::Write;

use crate::harness::Server;

struct Door {
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    /// A text that every refusal of this door contains: its dialect.
    dialect: &'static str,
}

const DOORS: &[Door] = &[
    Door { path: "/v1/traces", headers: &[("content-type", "application/json")], dialect: "\"message\"" },
    Door { path: "/v1/logs", headers: &[("content-type", "application/json")], dialect: "\"message\"" },
    Door { path: "/v1/metrics", headers: &[("content-type", "application/json")], dialect: "\"message\"" },
    Door { path: "/v1/traces", headers: &[("content-type", "application/x-protobuf")], dialect: "" },
    Door { path: "/v1/logs", headers: &[("content-type", "application/x-protobuf")], dialect: "" },
    Door { path: "/v1/metrics", headers: &[("content-type", "application/x-protobuf")], dialect: "" },
    Door { path: "/TraceSegments", headers: &[("content-type", "application/json")], dialect: "__type" },
    Door { path: "/TelemetryRecords", headers: &[("content-type", "application/json")], dialect: "__type" },
    Door { path: "/SamplingTargets", headers: &[("content-type", "application/json")], dialect: "__type" },
    Door {
        path: "/",
        headers: &[("content-type", "application/x-amz-json-1.1"), ("x-amz-target", "Logs_20140328.PutLogEvents")],
        dialect: "__type",
    },
    Door { path: "/api/1/item/", headers: &[("x-rollbar-access-token", "t")], dialect: "\"err\":" },
    Door {
        path: "/1/batch/shop",
        headers: &[("x-honeycomb-team", "k"), ("content-type", "application/json")],
        dialect: "\"error\"",
    },
    Door {
        path: "/1/events/shop",
        headers: &[("x-honeycomb-team", "k"), ("content-type", "application/json")],
        dialect: "\"error\"",
    },
    Door {
        path: "/1/batch/shop",
        headers: &[("x-honeycomb-team", "k"), ("content-type", "application/msgpack")],
        dialect: "error",
    },
    Door { path: "/api/sql", headers: &[("content-type", "application/json")], dialect: "\"error\"" },
];

/// Name, content encoding, body.
fn hostile_bodies() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let gzip = |bytes: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    };
    let zeros = vec![0u8; 256 << 20];
    vec![
        ("garbage", "", (0..2_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
        ("invalid utf-8", "", b"{\"a\": \"\xff\xfe\xf0\x28\"}".to_vec()),
        ("truncated json", "", b"[{\"data\": {\"a\": ".to_vec()),
        ("deep json", "", "[".repeat(200_000).into_bytes()),
        ("deep objects", "", "{\"a\":".repeat(100_000).into_bytes()),
        ("wrong type", "", b"42".to_vec()),
        // Field 1, length 2^62: more than there is.
        ("huge length", "", vec![0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]),
        ("huge msgpack array", "", vec![0xdd, 0xff, 0xff, 0xff, 0xff]),
        ("gzip bomb", "gzip", gzip(&zeros)),
        ("zstd bomb", "zstd", zstd::encode_all(&zeros[..], 1).unwrap()),
        ("not gzip", "gzip", b"{}".to_vec()),
        ("unknown encoding", "br", b"{}".to_vec()),
        ("oversized", "", vec![b' '; 24 << 20]),
    ]
}

#[tokio::test]
async fn hostile_bodies_are_refused_in_every_dialect() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    // A connection each: after a refusal in the middle of a body the server closes.
    let client = reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap();
    let bodies = hostile_bodies();
    let mut mended = 0;
    for door in DOORS {
        for (name, encoding, body) in &bodies {
            let mut request = client.post(format!("{}{}", server.http, door.path)).body(body.clone());
            for (key, value) in door.headers {
                request = request.header(*key, *value);
            }
            if !encoding.is_empty() {
                request = request.header("content-encoding", *encoding);
            }
            let answer = match request.send().await {
                Ok(answer) => answer,
                // The server may answer an oversized body and close while we still send.
                Err(_) if *name == "oversized" => continue,
                Err(error) => panic!("{} with {name}: {error}", door.path),
            };
            let status = answer.status();
            if *name == "invalid utf-8" && status.is_success() {
                // Text that can be mended is kept, with the replacement character.
                mended += 1;
                continue;
            }
            assert!(status.is_client_error(), "{} with {name}: {status}", door.path);
            let text = String::from_utf8_lossy(&answer.bytes().await.unwrap()).into_owned();
            assert!(text.contains(door.dialect), "{} with {name}: {status} {text:.200}", door.path);
        }
    }
    let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    for (_, _, body) in bodies.iter().filter(|(_, _, body)| body.len() < 60_000) {
        udp.send_to(body, &server.xray).unwrap();
        udp.send_to(&[b"{\"format\": \"json\", \"version\": 1}\n".as_slice(), body].concat(), &server.xray).unwrap();
    }
    for (table, rows) in [("spans", 0), ("logs", mended), ("metrics", 0)] {
        assert_eq!(server.sql(&format!("SELECT count(*) FROM {table}")).await, [[rows]], "{table}");
    }
    let peak = server.resident_megabytes();
    assert!(peak < 400, "peak memory was {peak} MB");
    assert!(server.terminate().success());
}
