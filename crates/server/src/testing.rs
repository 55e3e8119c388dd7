//! What tests of this crate share: services over a real store in a folder.

use std::path::Path;

use metastore::Metastore;
use store::{Store, StoreOptions};

use crate::{Addresses, Services, Settings};

/// Services over what is in the folder; nothing listens.
pub async fn open(folder: &Path) -> Services {
    let metastore = Metastore::open(folder).await.unwrap();
    let options = StoreOptions { fsync: false, ..StoreOptions::new(folder) };
    let store = Store::open(options, metastore.clone(), |_| None).await.unwrap();
    let engine = engine::Engine::new(store.clone(), engine::EngineOptions::default()).unwrap();
    let settings = Settings {
        version: "test",
        data_dir: folder.display().to_string(),
        project: "default".into(),
        region: "us-east-1".into(),
        account_id: "000000000000".into(),
        aws_keys: Default::default(),
        aws_unmask_keys: None,
        web_dir: None,
        buckets_dir: None,
        s3: None,
        mail: None,
        body_bytes_max: 1 << 20,
    };
    let nowhere = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let addresses = Addresses { http: nowhere, otlp_grpc: nowhere, otlp_http: nowhere, xray: nowhere };
    Services::new(settings, store, engine, metastore, addresses, crate::ingest::Remembered::default()).unwrap()
}
