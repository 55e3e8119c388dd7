//! A server for every protocol the demo speaks, that answers as the real ones do and keeps what it got.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use demo::Targets;
use http::StatusCode;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_server::{LogsService, LogsServiceServer};
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{MetricsService, MetricsServiceServer};
use opentelemetry_proto::tonic::collector::metrics::v1::{ExportMetricsServiceRequest, ExportMetricsServiceResponse};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use parking_lot::Mutex;
use serde_json::json;
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;

/// One HTTP request, and whether it was granted.
#[derive(Debug)]
pub struct Call {
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub accepted: bool,
}

#[derive(Default)]
pub struct Told {
    pub datagrams: Vec<Vec<u8>>,
    pub calls: Vec<Call>,
    pub traces: Vec<ExportTraceServiceRequest>,
    pub logs: Vec<ExportLogsServiceRequest>,
    pub metrics: Vec<ExportMetricsServiceRequest>,
    streams: Vec<String>,
}

type Shared = Arc<Mutex<Told>>;

pub struct Capture {
    told: Shared,
    /// Ends with the capture.
    _servers: JoinSet<()>,
    http: SocketAddr,
    grpc: SocketAddr,
    xray: SocketAddr,
}

impl Capture {
    pub async fn start() -> Capture {
        let mut servers = JoinSet::new();
        let told = Shared::default();
        let routes = axum::Router::new().fallback(take_call).with_state(Arc::clone(&told));

        let http_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = http_listener.local_addr().unwrap();
        servers.spawn(serve(http_listener, routes.clone()));

        // X-Ray's two halves share a port; the second bind fails once in a blue moon, and then so does the test.
        let xray_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let xray = xray_listener.local_addr().unwrap();
        let datagrams = UdpSocket::bind(xray).await.unwrap();
        servers.spawn(serve(xray_listener, routes));
        servers.spawn(take_datagrams(datagrams, Arc::clone(&told)));

        let grpc_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let grpc = grpc_listener.local_addr().unwrap();
        let service = Otlp(Arc::clone(&told));
        let server = tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(service.clone()))
            .add_service(LogsServiceServer::new(service.clone()))
            .add_service(MetricsServiceServer::new(service));
        servers.spawn(async move { server.serve_with_incoming(TcpListenerStream::new(grpc_listener)).await.unwrap() });
        Capture { told, _servers: servers, http, grpc, xray }
    }

    pub fn targets(&self) -> Targets {
        Targets { otlp_grpc: format!("http://{}", self.grpc), http: format!("http://{}", self.http), xray: self.xray }
    }

    pub fn finish(self) -> Told {
        std::mem::take(&mut *self.told.lock())
    }
}

impl Told {
    /// Every span with the name of its service; the resource's attributes are checked on the way.
    pub fn spans(&self) -> Vec<(String, Span)> {
        let mut spans = Vec::new();
        for resource in self.traces.iter().flat_map(|request| &request.resource_spans) {
            let attributes = &resource.resource.as_ref().unwrap().attributes;
            let keys: Vec<&str> = attributes.iter().map(|attribute| attribute.key.as_str()).collect();
            for key in ["service.version", "deployment.environment.name", "host.name", "process.pid"] {
                assert!(keys.contains(&key), "no {key} in {keys:?}");
            }
            let name = attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
            let Some(AnyValue::StringValue(service)) = name.value.as_ref().and_then(|value| value.value.clone()) else {
                panic!()
            };
            let found = resource.scope_spans.iter().flat_map(|scope| &scope.spans);
            spans.extend(found.map(|span| (service.clone(), span.clone())));
        }
        spans
    }
}

/// A port of which nobody listens.
pub async fn closed_port() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// Takes connections, and never says a word.
pub async fn hang(listener: TcpListener) {
    let mut kept = Vec::new();
    while let Ok(connection) = listener.accept().await {
        kept.push(connection);
    }
}

async fn serve(listener: TcpListener, routes: axum::Router) {
    axum::serve(listener, routes).await.unwrap();
}

async fn take_datagrams(socket: UdpSocket, told: Shared) {
    let mut buffer = vec![0; 65_536];
    while let Ok(length) = socket.recv(&mut buffer).await {
        told.lock().datagrams.push(buffer[..length].to_vec());
    }
}

async fn take_call(State(told): State<Shared>, request: axum::extract::Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 2 << 20).await.unwrap().to_vec();
    let headers: BTreeMap<String, String> =
        parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let mut told = told.lock();
    let response = answer(&mut told, parts.uri.path(), headers.get("x-amz-target").map(String::as_str), &body);
    let accepted = response.status().is_success();
    told.calls.push(Call { path: parts.uri.path().to_owned(), headers, body, accepted });
    response
}

fn answer(told: &mut Told, path: &str, target: Option<&str>, body: &[u8]) -> Response {
    let body: serde_json::Value = serde_json::from_slice(body).unwrap();
    let stream = body["logStreamName"].as_str().unwrap_or_default().to_owned();
    match (path, target.and_then(|target| target.strip_prefix("Logs_20140328."))) {
        (_, Some("DescribeLogGroups")) => Json(json!({"logGroups": []})).into_response(),
        (_, Some("CreateLogGroup")) => StatusCode::OK.into_response(),
        (_, Some("CreateLogStream")) => {
            told.streams.push(stream);
            StatusCode::OK.into_response()
        }
        (_, Some("PutLogEvents")) if told.streams.contains(&stream) => Json(json!({"nextSequenceToken": "4960"})).into_response(),
        (_, Some("PutLogEvents")) => {
            let error = json!({"__type": "ResourceNotFoundException", "message": "The specified log stream does not exist."});
            (StatusCode::BAD_REQUEST, Json(error)).into_response()
        }
        ("/GetSamplingRules", _) => {
            let rule = json!({"RuleName": "Default", "FixedRate": 1.0, "ReservoirSize": 1, "Priority": 10000});
            Json(json!({"SamplingRuleRecords": [{"SamplingRule": rule}]})).into_response()
        }
        ("/SamplingTargets", _) => Json(json!({"SamplingTargetDocuments": []})).into_response(),
        ("/api/1/item/" | "/api/1/deploy/", _) => Json(json!({"err": 0, "result": {}})).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[derive(Clone)]
struct Otlp(Shared);

#[tonic::async_trait]
impl TraceService for Otlp {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.lock().traces.push(request.into_inner());
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Otlp {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<tonic::Response<ExportLogsServiceResponse>, tonic::Status> {
        self.0.lock().logs.push(request.into_inner());
        Ok(tonic::Response::new(ExportLogsServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Otlp {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, tonic::Status> {
        self.0.lock().metrics.push(request.into_inner());
        Ok(tonic::Response::new(ExportMetricsServiceResponse::default()))
    }
}
