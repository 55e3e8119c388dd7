//! Which frames are not the application's own: by folder, by package, and for bare file names by well-known pairs.

use super::Language;

/// Parts of a path that only installed code has.
const LIBRARY_PATH_PARTS: &[&str] = &[
    "/site-packages/",
    "/dist-packages/",
    "/lib/python",
    "/lib64/python",
    "/venv/",
    "/.venv/",
    "/virtualenvs/",
    "/node_modules/",
    "/gems/",
    "/lib/ruby/",
    "/rubygems/",
    "/vendor/",
    "/usr/lib/",
    "/usr/lib64/",
    "/usr/share/",
    "/usr/local/lib/",
    "/opt/homebrew/",
    "/rustc/",
    "/.cargo/registry/",
    "/.cargo/git/",
    "/pkg/mod/",
    "/usr/local/go/src/",
    "/goroot/",
    "/webpack/bootstrap",
    "/webpack/runtime",
    "/var/runtime/",
    "/var/lang/",
    "/opt/python/",
];

/// Paths that are no files of anybody's.
const LIBRARY_PATH_STARTS: &[&str] = &[
    "node:",
    "internal/",
    "native ",
    "eval at",
    "<",
    "[",
    "(eval",
    "site-packages/",
    "node_modules/",
    "vendor/",
    "chrome-extension://",
    "moz-extension://",
    "safari-extension://",
    "webpack/bootstrap",
    "webpack-internal:///./node_modules/",
];

const JAVA_PACKAGES: &[&str] = &[
    "java.",
    "javax.",
    "jdk.",
    "sun.",
    "com.sun.",
    "jakarta.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "akka.",
    "groovy.",
    "clojure.",
    "android.",
    "androidx.",
    "dalvik.",
    "com.android.",
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.",
    "org.jboss.",
    "org.glassfish.",
    "org.codehaus.",
    "org.postgresql.",
    "org.junit.",
    "org.aspectj.",
    "org.mockito.",
    "io.netty.",
    "io.undertow.",
    "io.quarkus.",
    "io.micronaut.",
    "io.vertx.",
    "io.grpc.",
    "io.reactivex.",
    "io.opentelemetry.",
    "reactor.",
    "rx.",
    "com.zaxxer.",
    "com.fasterxml.",
    "com.mysql.",
    "com.google.common.",
    "com.google.inject.",
    "com.amazonaws.",
    "software.amazon.",
    "com.rollbar.",
    "ch.qos.logback.",
    "okhttp3.",
    "retrofit2.",
    "net.bytebuddy.",
];

const DOTNET_NAMESPACES: &[&str] = &[
    "System.",
    "Microsoft.",
    "MS.",
    "Npgsql.",
    "Newtonsoft.",
    "Dapper.",
    "Grpc.",
    "OpenTelemetry.",
    "Serilog.",
    "Rollbar.",
    "Amazon.",
    "lambda_method",
];

const GO_PACKAGES: &[&str] = &[
    "runtime.",
    "runtime/",
    "net/",
    "net.",
    "reflect.",
    "sync.",
    "testing.",
    "io.",
    "os.",
    "bufio.",
    "context.",
    "database/sql.",
    "encoding/",
    "errors.",
    "fmt.",
    "syscall.",
    "time.",
    "go.opentelemetry.io/",
    "google.golang.org/",
    "golang.org/x/",
];

const RUST_PATHS: &[&str] = &[
    "core::",
    "std::",
    "alloc::",
    "<core::",
    "<std::",
    "<alloc::",
    "test::",
    "tokio::",
    "<tokio::",
    "futures",
    "<futures",
    "hyper",
    "<hyper",
    "tower",
    "<tower",
    "rayon",
    "backtrace::",
    "anyhow::",
    "<anyhow::",
    "rust_begin_unwind",
    "__rust",
    "__libc_start",
    "_start",
    "_main",
    "clone3",
    "start_thread",
];

/// Frames of Python web servers and tracers as (file, function). X-Ray's SDK for Python sends file names without their
/// folders, and only so can its `app.py` of Flask be told from the `app.py` of the application.
const PYTHON_BARE_FRAMES: &[(&str, &[&str])] = &[
    ("serving.py", &["handle", "run_wsgi", "execute", "handle_one_request", "run", "run_simple", "inner"]),
    ("server.py", &["handle", "handle_one_request", "finish_request", "process_request", "__init__"]),
    ("socketserver.py", &["process_request_thread", "process_request", "finish_request", "__init__"]),
    ("threading.py", &["run", "_bootstrap", "_bootstrap_inner"]),
    ("thread.py", &["run", "_worker"]),
    ("__init__.py", &["_wrapped_app", "__call__", "_wrapped_view", "use_span", "start_as_current_span"]),
    (
        "app.py",
        &[
            "__call__",
            "wsgi_app",
            "full_dispatch_request",
            "dispatch_request",
            "handle_user_exception",
            "handle_exception",
            "preprocess_request",
            "process_response",
            "finalize_request",
            "do_teardown_request",
            "do_teardown_appcontext",
            "ensure_sync",
            "raise_routing_exception",
            "make_response",
        ],
    ),
    ("ctx.py", &["pop", "push", "__exit__", "__enter__"]),
    ("extension.py", &["wrapped_function"]),
    ("decorator.py", &["wrapped_function"]),
    ("recorder.py", &["record_subsegment", "capture", "in_segment", "in_subsegment"]),
    ("subsegment.py", &["__call__", "__enter__", "__exit__"]),
    ("six.py", &["raise_from", "reraise"]),
    ("views.py", &["view", "dispatch", "dispatch_request"]),
    ("base.py", &["_get_response", "get_response", "dispatch"]),
    ("exception.py", &["inner"]),
    ("deprecation.py", &["__call__"]),
    ("middleware.py", &["__call__"]),
    ("wsgi.py", &["__call__"]),
    ("sync.py", &["handle", "handle_request", "accept", "run_for_one", "run"]),
    ("gthread.py", &["handle", "handle_request"]),
    ("routing.py", &["__call__", "app", "handle", "run_endpoint_function"]),
    ("exceptions.py", &["__call__"]),
    ("errors.py", &["__call__"]),
];

/// Whether a frame belongs to a library, a framework or the language itself.
pub fn is_library(language: Language, file: &str, function: &str) -> bool {
    let by_name = match language {
        Language::Java => starts_with_any(function, JAVA_PACKAGES),
        Language::DotNet => starts_with_any(function, DOTNET_NAMESPACES),
        Language::Go => starts_with_any(function, GO_PACKAGES) || file.contains('@'),
        Language::Rust => starts_with_any(function, RUST_PATHS),
        Language::Python => is_bare_python_frame(file, function),
        Language::JavaScript => !file.contains(['.', '/']),
        Language::Ruby | Language::Php | Language::Unknown => false,
    };
    by_name || is_library_path(file)
}

fn is_library_path(file: &str) -> bool {
    let slashes;
    let file = if file.contains('\\') {
        slashes = file.replace('\\', "/");
        slashes.as_str()
    } else {
        file
    };
    starts_with_any(file, LIBRARY_PATH_STARTS) || LIBRARY_PATH_PARTS.iter().any(|part| file.contains(part))
}

fn starts_with_any(text: &str, starts: &[&str]) -> bool {
    starts.iter().any(|start| text.starts_with(start))
}

fn is_bare_python_frame(file: &str, function: &str) -> bool {
    let pair = PYTHON_BARE_FRAMES.iter().find(|(name, _)| *name == file);
    pair.is_some_and(|(_, functions)| functions.contains(&function))
}
