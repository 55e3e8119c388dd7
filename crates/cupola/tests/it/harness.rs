//! Starts the binary, speaks to it, and ends it.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

pub struct Server {
    child: Child,
    pub http: String,
    pub otlp_http: String,
    pub otlp_grpc: String,
    pub xray: String,
}

impl Server {
    /// Starts on a folder and waits for the line that says it is ready.
    pub fn start(folder: &Path) -> Server {
        Server::start_with(folder, &[])
    }

    pub fn start_with(folder: &Path, arguments: &[&str]) -> Server {
        Server::start_by(Command::new(env!("CARGO_BIN_EXE_cupola")), folder, arguments)
    }

    /// Starts by a command that runs the binary with what is added to it.
    pub fn start_by(mut command: Command, folder: &Path, arguments: &[&str]) -> Server {
        let mut child = command
            .arg("serve")
            .arg("--data-dir")
            .arg(folder)
            .args(["--http-listen", "127.0.0.1:0", "--otlp-grpc-listen", "127.0.0.1:0"])
            .args(["--otlp-http-listen", "127.0.0.1:0", "--xray-listen", "127.0.0.1:0", "--log", "warn"])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let part = |name: &str| {
            let found = line.split_whitespace().find_map(|word| word.strip_prefix(&format!("{name}=")));
            found.unwrap_or_else(|| panic!("no {name} in {line:?}")).to_owned()
        };
        Server { http: part("http"), otlp_http: part("otlp_http"), otlp_grpc: part("otlp_grpc"), xray: part("xray"), child }
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and gives back how it ended.
    pub fn terminate(mut self) -> std::process::ExitStatus {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.child.wait().unwrap()
    }

    pub fn resident_megabytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }

    pub async fn sql(&self, query: &str) -> Vec<Vec<Value>> {
        let answer = self.try_sql(query).await;
        assert!(answer.get("error").is_none(), "{query}: {answer}");
        serde_json::from_value(answer["rows"].clone()).unwrap()
    }

    pub async fn try_sql(&self, query: &str) -> Value {
        let body = serde_json::json!({ "query": query });
        let answer = reqwest::Client::new().post(format!("{}/api/sql", self.http)).json(&body).send().await.unwrap();
        answer.json().await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Value {
        let answer = reqwest::get(format!("{}{path}", self.http)).await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
