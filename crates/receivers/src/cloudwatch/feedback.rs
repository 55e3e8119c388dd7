//! Lines by which a shipper of logs tells of its own shipping. Shipped themselves they make the next ones, for ever.
//!
//! Quirks: known by loggers and words of the libraries that do so; a line alone is no loop, see who counts them

use super::put_log_events::PutLogEvents;

/// Why lines come of shipping lines, and what helps.
#[derive(Debug, PartialEq, Eq)]
pub struct Feedback {
    pub cause: &'static str,
    pub advice: &'static str,
    /// What begins the names of its loggers; streams are often called after them.
    loggers: &'static [&'static str],
    words: &'static [&'static str],
}

const KINDS: [Feedback; 2] = [
    Feedback {
        cause: "The X-Ray SDK has patched boto3 and complains of each call that has no segment; shipping that complaint is such a call.",
        advice: "Keep the SDK's logger away from the handler: logging.getLogger(\"aws_xray_sdk\").propagate = False. \
                 AWS_XRAY_CONTEXT_MISSING=IGNORE_ERROR silences only one of its two complaints.",
        loggers: &["aws_xray_sdk."],
        words: &["cannot find the current segment/subsegment", "No segment found, cannot begin subsegment"],
    },
    Feedback {
        cause: "The HTTP client that ships the lines logs each of its own requests.",
        advice: "Keep boto3, botocore and urllib3 above DEBUG: logging.getLogger(\"botocore\").setLevel(logging.INFO), and so on.",
        loggers: &["botocore.", "boto3.", "urllib3.", "watchtower"],
        words: &["Logs_20140328.PutLogEvents", "(name=PutLogEvents)", "event before-call.cloudwatch-logs"],
    },
];

/// What a request tells of its own shipping.
#[derive(Debug, PartialEq, Eq)]
pub struct OfShipping<'r> {
    pub kind: &'static Feedback,
    pub lines: usize,
    pub sample: &'r str,
}

/// The first kind of which a line is in the request, with its lines.
pub fn of_shipping<'r>(request: &'r PutLogEvents<'_>) -> Option<OfShipping<'r>> {
    let stream = request.log_stream_name.as_ref();
    KINDS.iter().find_map(|kind| {
        let is_its_stream = kind.loggers.iter().any(|logger| is_called_after(stream, logger));
        let is_its = |line: &&str| is_its_stream || kind.words.iter().any(|words| line.contains(words));
        let mut lines = request.log_events.iter().map(|event| event.message.as_ref()).filter(is_its);
        let sample = lines.next()?;
        Some(OfShipping { kind, lines: 1 + lines.count(), sample })
    })
}

/// `host/app/botocore.endpoint/17` is a stream of botocore's loggers; `urllib3-proxy` is not.
fn is_called_after(stream: &str, logger: &str) -> bool {
    let parts = stream.split(['/', ' ']);
    parts.into_iter().any(|part| part.starts_with(logger) || part == logger.trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::super::put_log_events::parse;
    use super::*;

    #[test]
    fn lines_of_shipping_are_told_from_lines_of_the_app() {
        let of = |stream: &str, messages: &[&str]| {
            let events: Vec<_> =
                messages.iter().map(|message| serde_json::json!({ "timestamp": 1, "message": message })).collect();
            let body = serde_json::json!({ "logGroupName": "g", "logStreamName": stream, "logEvents": events }).to_string();
            let request = parse(body.as_bytes()).unwrap();
            of_shipping(&request).map(|found| (found.kind.loggers[0], found.lines, found.sample.to_owned()))
        };
        let complaint = "cannot find the current segment/subsegment, please make sure you have a segment open";
        for (stream, messages, expected) in [
            ("web", &["hello", "PutLogEvents is an operation"][..], None),
            ("web", &["hello", complaint, complaint][..], Some(("aws_xray_sdk.", 2, complaint.to_owned()))),
            ("host/app/aws_xray_sdk.core.context/7", &["x"][..], Some(("aws_xray_sdk.", 1, "x".to_owned()))),
            ("host/app/botocore.endpoint/7", &["x", "y"][..], Some(("botocore.", 2, "x".to_owned()))),
            ("urllib3-proxy", &["x"][..], None),
            (
                "web",
                &["Making request for OperationModel(name=PutLogEvents)"][..],
                Some(("botocore.", 1, "Making request for OperationModel(name=PutLogEvents)".to_owned())),
            ),
        ] {
            assert_eq!(of(stream, messages), expected, "{stream} {messages:?}");
        }
    }
}
