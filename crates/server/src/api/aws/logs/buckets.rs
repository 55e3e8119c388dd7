//! Buckets that export tasks and scheduled queries write to: folders, in the folder that `--buckets-dir` names, and those of a server
//! that speaks S3's protocol, `--s3-endpoint`.
//!
//! Missing: objects in several parts; addresses with the bucket in the host's name

use std::io;
use std::path::{Component, Path, PathBuf};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::Full;

use crate::api::aws::signature::{self, SignedRequest};
use crate::{Services, now_unix_nano};

/// Of the name of a bucket; S3's bounds.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 3..=63;

/// Where objects can be put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bucket {
    Folder(PathBuf),
    /// By its name, at the server's address.
    Remote {
        endpoint: String,
        name: String,
    },
}

impl Bucket {
    /// `None` for one that is not there, or whose name none could have. Whether a server has it shows when something is put.
    pub fn find(services: &Services, name: &str) -> Option<Bucket> {
        let folder = services.settings.buckets_dir.as_deref().and_then(|folder| Bucket::within(folder, name));
        folder.or_else(|| {
            let endpoint = services.settings.s3.as_ref()?.endpoint.trim_end_matches('/').to_owned();
            is_name(name).then(|| Bucket::Remote { endpoint, name: name.to_owned() })
        })
    }

    fn within(folder: &Path, name: &str) -> Option<Bucket> {
        let path = folder.join(name);
        (is_name(name) && path.is_dir()).then_some(Bucket::Folder(path))
    }

    /// Puts an object whole. Tells what went wrong in words.
    pub async fn put(&self, services: &Services, key: &str, bytes: Vec<u8>) -> Result<(), String> {
        check_key(key).map_err(|error| error.to_string())?;
        match self {
            Bucket::Folder(folder) => {
                let path = folder.join(key);
                let written = tokio::task::spawn_blocking(move || write(&path, &bytes)).await;
                written.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
            }
            Bucket::Remote { endpoint, name } => {
                let Some(s3) = &services.settings.s3 else { return Err("no server of buckets is configured".to_owned()) };
                let now = now_unix_nano() / 1_000_000_000;
                let request = request(endpoint, name, key, bytes, &s3.credentials, &services.settings.region, now)?;
                let (status, body) = services.outbox.http().exchange_once(request).await?;
                match status {
                    StatusCode::OK | StatusCode::CREATED | StatusCode::NO_CONTENT => Ok(()),
                    other => Err(format!("{other}: {}", body.trim())),
                }
            }
        }
    }
}

fn is_name(name: &str) -> bool {
    let is_plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-' || letter == '.';
    NAME_CHARS.contains(&name.len()) && name.chars().all(is_plain) && !name.starts_with('.')
}

/// Refuses a key that would lead out of the bucket.
pub fn check_key(key: &str) -> io::Result<()> {
    let is_within = Path::new(key).components().all(|part| matches!(part, Component::Normal(_)));
    if !is_within || key.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{key} is no key of a bucket")));
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    // Whoever looks sees the object whole or not at all.
    let partial = path.with_extension("partial");
    std::fs::write(&partial, bytes)?;
    std::fs::File::open(&partial)?.sync_all()?;
    std::fs::rename(partial, path)
}

/// A signed PUT, with the bucket in the path.
fn request(
    endpoint: &str,
    bucket: &str,
    key: &str,
    bytes: Vec<u8>,
    credentials: &Option<(String, String)>,
    region: &str,
    now: i64,
) -> Result<Request<Full<Bytes>>, String> {
    let path = format!("/{bucket}/{}", signature::encoded_path(key));
    let uri: Uri = format!("{endpoint}{path}").parse().map_err(|error| format!("cannot put to {endpoint}: {error}"))?;
    let host = uri.authority().map(|authority| authority.as_str().to_owned()).unwrap_or_default();
    let value = |text: &str| HeaderValue::from_str(text).map_err(|error| error.to_string());
    let mut headers = HeaderMap::new();
    headers.insert(HOST, value(&host)?);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some((key, secret)) = credentials {
        signature::stamp(&mut headers, &bytes, now)?;
        let request = SignedRequest { method: "PUT", path: uri.path(), query: "", headers: &headers, body: &bytes };
        let authorization = signature::authorization(request, key, secret, region, "s3", now);
        headers.insert(AUTHORIZATION, value(&authorization)?);
    }
    let mut request = Request::new(Full::new(Bytes::from(bytes)));
    (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (Method::PUT, uri, headers);
    Ok(request)
}

/// A key of several parts, without empty ones: what people write before and behind a prefix's slashes does not matter.
pub fn key(parts: &[&str]) -> String {
    parts.iter().flat_map(|part| part.split('/')).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AwsKeys;

    #[test]
    fn nothing_is_written_outside() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("logs-1")).unwrap();
        for name in ["", "..", "a/b", "Logs", "gone", ".hidden", "../logs-1"] {
            assert_eq!(Bucket::within(folder.path(), name), None, "{name}");
        }
        let Some(Bucket::Folder(path)) = Bucket::within(folder.path(), "logs-1") else { panic!() };
        for wrong in ["", "../x", "a/../../x", "/etc/x", "./b"] {
            assert!(check_key(wrong).is_err(), "{wrong}");
        }
        write(&path.join("a/b/c.txt"), b"told").unwrap();
        assert_eq!(std::fs::read(folder.path().join("logs-1/a/b/c.txt")).unwrap(), b"told");
        assert_eq!(key(&["/out/", "", "task", "000000.gz"]), "out/task/000000.gz");
    }

    #[test]
    fn what_is_put_elsewhere_is_signed() {
        let credentials = Some(("AKIA".to_owned(), "secret".to_owned()));
        let now = 1_795_226_742;
        let request =
            request("http://s3.test:9000", "logs-1", "out/web-1/000000.gz", b"told".to_vec(), &credentials, "eu-west-1", now)
                .unwrap();
        assert_eq!(request.uri(), "http://s3.test:9000/logs-1/out/web-1/000000.gz");
        let keys = AwsKeys::parse("AKIA=secret").unwrap();
        let signed =
            SignedRequest { method: "PUT", path: request.uri().path(), query: "", headers: request.headers(), body: b"told" };
        assert_eq!(signature::verify(signed, &keys, &["s3"], now + 5), Ok(()));
        assert!(signature::verify(SignedRequest { body: b"other", ..signed }, &keys, &["s3"], now).is_err());
    }
}
