//! A delivery as e-mail: one SMTP session for one message.
//!
//! Written by hand, since all we ever send is one short plain text: see docs/adr/0043.
//!
//! Spec:    RFC 5321 (SMTP), 3207 (STARTTLS), 4954 (AUTH), 5322 and 2047 (the message)
//! Missing: HTML, attachments; addresses beyond ASCII; AUTH other than PLAIN and LOGIN
//! Quirks:  text is always base64 in UTF-8, so that no line is too long and none begins with a dot

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::delivery::Payload;
use super::http::with_causes;
use super::outbox::Outcome;
use crate::limits::{DELIVERY_CONNECT_TIME_MAX, DELIVERY_TIME_MAX, SMTP_ANSWER_BYTES_MAX};
use crate::now_unix_nano;

/// How a mail server is reached.
#[derive(Clone)]
pub struct MailSettings {
    /// Host and port.
    pub server: String,
    pub security: MailSecurity,
    /// User and password.
    pub credentials: Option<(String, String)>,
    /// The sender's address.
    pub from: String,
}

impl std::fmt::Debug for MailSettings {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("MailSettings").field("server", &self.server).field("from", &self.from).finish_non_exhaustive()
    }
}

/// What protects the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailSecurity {
    /// TLS after a greeting in the clear; a server that does not offer it is refused.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None: for a server on the same machine.
    Off,
}

impl std::str::FromStr for MailSecurity {
    type Err = String;

    fn from_str(text: &str) -> Result<MailSecurity, String> {
        match text {
            "starttls" => Ok(MailSecurity::StartTls),
            "tls" => Ok(MailSecurity::Tls),
            "off" => Ok(MailSecurity::Off),
            other => Err(format!("cannot read {other:?}: expected starttls, tls or off")),
        }
    }
}

/// Sends one message, and says what came of it.
pub async fn send(settings: &MailSettings, tls: Arc<ClientConfig>, id: u64, to: &[String], payload: &Payload) -> Outcome {
    let message = match message(settings, id, to, payload, now_unix_nano()) {
        Ok(message) => message,
        Err(why) => return Outcome::Never(why),
    };
    match tokio::time::timeout(DELIVERY_TIME_MAX, session(settings, tls, to, &message)).await {
        Ok(Ok(answer)) => Outcome::Delivered(answer),
        Ok(Err(SmtpError::Refused(answer))) if answer.starts_with('5') => Outcome::Never(answer),
        Ok(Err(error)) => Outcome::Later(error.to_string()),
        Err(_) => Outcome::Later(format!("no answer within {} s", DELIVERY_TIME_MAX.as_secs())),
    }
}

#[derive(Debug, thiserror::Error)]
enum SmtpError {
    /// The server's words: 4xx may pass another time, 5xx will not.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Broken(String),
}

impl From<std::io::Error> for SmtpError {
    fn from(error: std::io::Error) -> SmtpError {
        SmtpError::Broken(with_causes(&error))
    }
}

async fn session(settings: &MailSettings, tls: Arc<ClientConfig>, to: &[String], message: &str) -> Result<String, SmtpError> {
    let connecting = tokio::time::timeout(DELIVERY_CONNECT_TIME_MAX, TcpStream::connect(&settings.server));
    let stream = connecting.await.map_err(|_| SmtpError::Broken("cannot connect in time".to_owned()))??;
    let host = settings.server.rsplit_once(':').map_or(settings.server.as_str(), |(host, _)| host);
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    let name = name.map_err(|error| SmtpError::Broken(error.to_string()))?;
    match settings.security {
        MailSecurity::Off => {
            let mut talk = Talk::greeted(stream).await?;
            talk.hello().await?;
            talk.submit(settings, to, message).await
        }
        MailSecurity::Tls => {
            let mut talk = Talk::greeted(TlsConnector::from(tls).connect(name, stream).await?).await?;
            talk.hello().await?;
            talk.submit(settings, to, message).await
        }
        MailSecurity::StartTls => {
            let mut talk = Talk::greeted(stream).await?;
            if !talk.hello().await?.to_ascii_uppercase().contains("STARTTLS") {
                return Err(SmtpError::Broken("the server does not offer STARTTLS".to_owned()));
            }
            talk.say("STARTTLS", "220").await?;
            let stream = TlsConnector::from(tls).connect(name, talk.0.into_inner()).await?;
            let mut talk = Talk(BufReader::new(stream));
            talk.hello().await?;
            talk.submit(settings, to, message).await
        }
    }
}

/// One side of the conversation.
struct Talk<S>(BufReader<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> Talk<S> {
    async fn greeted(stream: S) -> Result<Talk<S>, SmtpError> {
        let mut talk = Talk(BufReader::new(stream));
        talk.hear("220").await?;
        Ok(talk)
    }

    async fn hello(&mut self) -> Result<String, SmtpError> {
        self.say("EHLO cupola.localdomain", "250").await
    }

    async fn submit(&mut self, settings: &MailSettings, to: &[String], message: &str) -> Result<String, SmtpError> {
        if let Some((user, password)) = &settings.credentials {
            self.say(&format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}"))), "235").await?;
        }
        self.say(&format!("MAIL FROM:<{}>", bare(&settings.from)), "250").await?;
        for recipient in to {
            self.say(&format!("RCPT TO:<{}>", bare(recipient)), "25").await?;
        }
        self.say("DATA", "354").await?;
        let answer = self.say(&format!("{message}\r\n."), "250").await?;
        // It is taken; whether the goodbye arrives makes no difference.
        let _ = self.say("QUIT", "221").await;
        Ok(answer)
    }

    async fn say(&mut self, line: &str, expected: &str) -> Result<String, SmtpError> {
        // In one piece: the end of a line by itself would wait for the other side to acknowledge what came before.
        self.0.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.0.flush().await?;
        self.hear(expected).await
    }

    /// An answer, which may have several lines: `250-more`, `250 last`.
    async fn hear(&mut self, expected: &str) -> Result<String, SmtpError> {
        let mut answer = String::new();
        loop {
            let mut line = String::new();
            let room = SMTP_ANSWER_BYTES_MAX.saturating_sub(answer.len()) as u64;
            if (&mut self.0).take(room).read_line(&mut line).await? == 0 {
                return Err(SmtpError::Broken("the server ended the conversation".to_owned()));
            }
            answer.push_str(line.trim_end());
            if line.as_bytes().get(3) != Some(&b'-') {
                break;
            }
            answer.push('\n');
        }
        if answer.starts_with(expected) { Ok(answer) } else { Err(SmtpError::Refused(answer)) }
    }
}

/// `Ann <ann@example.test>` is `ann@example.test`.
fn bare(address: &str) -> &str {
    match address.rsplit_once('<') {
        Some((_, rest)) => rest.trim_end().trim_end_matches('>'),
        None => address.trim(),
    }
}

/// The message with its headers, lines ending in CR LF, without the last one.
fn message(settings: &MailSettings, id: u64, to: &[String], payload: &Payload, now_unix_nano: i64) -> Result<String, String> {
    let (subject, text) = match payload {
        Payload::Mail { subject, text } => (subject.as_str(), text.clone()),
        Payload::Json { body } => ("Notification", format!("{body:#}")),
        Payload::Bytes { .. } => return Err("bytes cannot be sent as e-mail".to_owned()),
    };
    if to.is_empty() {
        return Err("there is nobody to send to".to_owned());
    }
    for address in to.iter().chain([&settings.from]) {
        let is_plain = address.is_ascii() && !address.bytes().any(|byte| byte.is_ascii_control());
        if !is_plain || !bare(address).contains('@') || bare(address).contains([' ', '<', '>']) {
            return Err(format!("{address:?} is no address that mail can be sent to"));
        }
    }
    let date = jiff::Timestamp::from_nanosecond(now_unix_nano.into()).map_err(|error| error.to_string())?;
    let domain = bare(&settings.from).rsplit('@').next().unwrap_or("localhost");
    let mut out = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{id}.{now_unix_nano}.cupola@{domain}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\nAuto-Submitted: auto-generated\r\n\r\n",
        settings.from,
        to.join(",\r\n "),
        encoded_words(subject),
        date.strftime("%a, %d %b %Y %H:%M:%S +0000"),
    );
    let encoded = STANDARD.encode(text.replace("\r\n", "\n").replace('\n', "\r\n"));
    let lines: Vec<&str> =
        (0..encoded.len()).step_by(LINE_CHARS).map(|at| &encoded[at..encoded.len().min(at + LINE_CHARS)]).collect();
    out.push_str(&lines.join("\r\n"));
    Ok(out)
}

/// Characters of a line of base64.
const LINE_CHARS: usize = 76;

/// A subject in encoded words of at most 75 characters; one of plain letters stays as it is.
fn encoded_words(subject: &str) -> String {
    const BYTES_PER_WORD: usize = 42;
    let is_plain =
        subject.len() <= LINE_CHARS && subject.bytes().all(|byte| matches!(byte, b' '..=b'~')) && !subject.contains("=?");
    if is_plain {
        return subject.to_owned();
    }
    let (mut words, mut word) = (Vec::new(), String::new());
    for character in subject.chars().map(|character| if character.is_control() { ' ' } else { character }) {
        if word.len() + character.len_utf8() > BYTES_PER_WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push(character);
    }
    words.push(word);
    let encoded: Vec<String> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use tokio::net::TcpListener;

    use super::*;

    fn settings(server: String) -> MailSettings {
        let credentials = Some(("ann".to_owned(), "secret".to_owned()));
        MailSettings { server, security: MailSecurity::Off, credentials, from: "Cupola <cupola@example.test>".to_owned() }
    }

    #[test]
    fn a_message_is_plain_text_in_base64() {
        let to = ["ann@example.test".to_owned(), "Bob <bob@example.test>".to_owned()];
        let payload = Payload::mail("Höhe über 5", "line\n.dot\n");
        let text = message(&settings(String::new()), 7, &to, &payload, 1_795_226_742_000_000_000).unwrap();
        expect![[r#"
            From: Cupola <cupola@example.test>
            To: ann@example.test,
             Bob <bob@example.test>
            Subject: =?utf-8?B?SMO2aGUgw7xiZXIgNQ==?=
            Date: Sat, 21 Nov 2026 02:05:42 +0000
            Message-ID: <7.1795226742000000000.cupola@example.test>
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: base64
            Auto-Submitted: auto-generated

            bGluZQ0KLmRvdA0K"#]]
        .assert_eq(&text.replace("\r\n", "\n"));
        for wrong in ["ann", "ann@x.test\r\nBcc: b@x.test", "a b@x.test", "<ann@x.test> <>"] {
            assert!(message(&settings(String::new()), 7, &[wrong.to_owned()], &payload, 0).is_err(), "{wrong}");
        }
        assert!(encoded_words(&"ä".repeat(100)).split("\r\n ").all(|word| word.len() <= 75));
        assert_eq!(encoded_words("a\r\nBcc: x"), "=?utf-8?B?YSAgQmNjOiB4?=");
    }

    /// A server that answers by a script, and tells what it heard.
    async fn server(recipient_answer: &'static str) -> (String, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let (mut heard, mut in_data) = (Vec::new(), false);
            stream.write_all(b"220 mail.test\r\n").await.unwrap();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.unwrap() == 0 {
                    return heard;
                }
                let line = line.trim_end().to_owned();
                let answer = match line.split(' ').next().unwrap() {
                    "." => "250 2.0.0 taken as 42\r\n",
                    _ if in_data => continue,
                    "EHLO" => "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
                    "AUTH" => "235 ok\r\n",
                    "RCPT" => recipient_answer,
                    "DATA" => "354 go on\r\n",
                    "QUIT" => "221 bye\r\n",
                    _ => "250 ok\r\n",
                };
                in_data = line == "DATA";
                heard.push(line);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (address, heard)
    }

    fn no_tls() -> Arc<ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth())
    }

    #[tokio::test]
    async fn a_session_is_what_the_protocol_says() {
        let to = ["ann@example.test".to_owned()];
        let payload = Payload::mail("s", "t");
        let (address, heard) = server("250 ok\r\n").await;
        let outcome = send(&settings(address), no_tls(), 1, &to, &payload).await;
        assert_eq!(outcome, Outcome::Delivered("250 2.0.0 taken as 42".to_owned()));
        let heard = heard.await.unwrap();
        assert_eq!(heard[0], "EHLO cupola.localdomain");
        assert_eq!(heard[1], "AUTH PLAIN AGFubgBzZWNyZXQ=");
        assert_eq!(heard[2..], ["MAIL FROM:<cupola@example.test>", "RCPT TO:<ann@example.test>", "DATA", ".", "QUIT"]);

        for (answer, expected) in [("550 no such user\r\n", "never"), ("450 later\r\n", "later")] {
            let (address, _) = server(answer).await;
            assert_eq!(send(&settings(address), no_tls(), 1, &to, &payload).await.name(), expected);
        }
        let unprotected = MailSettings { security: MailSecurity::StartTls, ..settings(server("250 ok\r\n").await.0) };
        let outcome = send(&unprotected, no_tls(), 1, &to, &payload).await;
        assert_eq!(outcome.name(), "later", "{outcome:?}");
    }
}
