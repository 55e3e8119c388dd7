//! What must not be on disk never is: tokens of clients, in whatever they come.

use std::path::Path;

use crate::harness::Server;

const TOKEN: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e7ab";

#[tokio::test]
async fn tokens_never_reach_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let item = format!(
        r#"{{"access_token": "{TOKEN}", "data": {{"environment": "test", "uuid": "u1", "body": {{"message": {{"body": "a token, {TOKEN}"}}}},
            "notifier": {{"configured_options": {{"access_token": "{TOKEN}"}}}}}}}}"#
    );
    let form = format!(
        "access_token={TOKEN}&payload=%7B%22data%22%3A%7B%22body%22%3A%7B%22message%22%3A%7B%22body%22%3A%22b%22%7D%7D%7D%7D"
    );
    let deploy = format!("access_token={TOKEN}&environment=production&revision=ab12");
    let client = reqwest::Client::new();
    for (path, content_type, body) in [
        ("/api/1/item/", "application/json", item),
        ("/api/1/item/", "application/x-www-form-urlencoded", form),
        ("/api/1/deploy/", "application/x-www-form-urlencoded", deploy),
        ("/1/batch/shop", "application/json", r#"[{"data": {"name": "kept"}}]"#.to_owned()),
    ] {
        let sent = client.post(format!("{}{path}", server.http)).header("content-type", content_type);
        let sent = sent.header("x-rollbar-access-token", TOKEN).header("x-honeycomb-team", TOKEN).header("authorization", TOKEN);
        assert_eq!(sent.body(body).send().await.unwrap().status(), 200, "{path}");
    }
    assert_eq!(server.sql("SELECT count(*) FROM logs").await, [[4]]);
    search(folder.path());
    // The log is read again, and the rows become parts.
    server.kill();
    let server = Server::start(folder.path());
    assert_eq!(server.sql("SELECT count(*) FROM logs").await, [[4]]);
    let said = server.sql("SELECT body FROM logs WHERE rollbar.uuid = 'u1'").await;
    assert_eq!(said, [[format!("a token, {}", "*".repeat(TOKEN.len()))]]);
    assert!(server.terminate().success());
    search(folder.path());
}

fn search(folder: &Path) {
    let mut files = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            files += 1;
            let found = std::fs::read(&path).unwrap().windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
            assert!(!found, "{} holds the token", path.display());
        }
    }
    assert!(files > 2, "nothing was searched");
}
