//! The people who use Cruddur: about twenty of them, as patient as a seed makes them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Options;
use crate::app::USER_HEADER;
use crate::data::{SEARCH_TERMS, UNKNOWN_HANDLES, USERS, User};

/// The backfill: this many requests in this many bursts, one burst every [`BURST_PAUSE`], which makes about a second.
const BACKFILL_REQUESTS: usize = 200;
const BACKFILL_BURSTS: usize = 20;
const BURST_PAUSE: Duration = Duration::from_millis(45);
/// In the backfill every so-manieth request is one that goes wrong, so that there are errors to look at.
const BACKFILL_BAD_EVERY: usize = 25;
/// People who do not get an answer wait; this is how many may wait at once.
const REQUESTS_IN_FLIGHT_MAX: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// Rates outside make no sense as gentle load.
const RATE_MIN: f64 = 0.01;
const RATE_MAX: f64 = 1000.0;

const BROWSERS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1",
];

/// The running load.
pub struct Users {
    task: JoinHandle<()>,
    cancel: CancellationToken,
}

impl Users {
    pub async fn stop(self) {
        self.cancel.cancel();
        // It ended, or it was lost with the runtime; both are the end.
        let _ = self.task.await;
    }
}

/// What somebody does next.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Deed {
    user: usize,
    method: &'static str,
    path: String,
    /// The text of a new post.
    message: Option<String>,
}

pub fn start(app: SocketAddr, options: &Options, tasks: &TaskTracker, cancel: CancellationToken) -> Users {
    let load =
        Load { app, rng: fastrand::Rng::with_seed(options.seed), in_flight: Arc::new(Semaphore::new(REQUESTS_IN_FLIGHT_MAX)) };
    let options = options.clone();
    let task = tasks.spawn({
        let cancel = cancel.clone();
        async move {
            if let Err(error) = load.run(options, cancel).await {
                tracing::warn!(%error, "demo load ended");
            }
        }
    });
    Users { task, cancel }
}

struct Load {
    app: SocketAddr,
    rng: fastrand::Rng,
    in_flight: Arc<Semaphore>,
}

impl Load {
    async fn run(mut self, options: Options, cancel: CancellationToken) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let mut requests = JoinSet::new();
        requests.spawn(probe(client.clone(), self.app));
        if options.backfill {
            for number in 0..BACKFILL_REQUESTS {
                let deed = match number % BACKFILL_BAD_EVERY {
                    0 => bad_deed(&mut self.rng),
                    _ => deed(&mut self.rng),
                };
                self.perform(&mut requests, &client, deed);
                if number % (BACKFILL_REQUESTS / BACKFILL_BURSTS) == 0 {
                    tokio::time::sleep(BURST_PAUSE).await;
                }
            }
        }
        loop {
            tokio::select! {
                // Dropping the set ends what is still running.
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(pause(&mut self.rng, options.requests_per_second)) => {}
            }
            let deed = deed(&mut self.rng);
            self.perform(&mut requests, &client, deed);
            while requests.try_join_next().is_some() {}
        }
    }

    /// Starts a request; somebody who finds everybody else waiting goes away instead.
    fn perform(&self, requests: &mut JoinSet<()>, client: &reqwest::Client, deed: Deed) {
        let Ok(permit) = Arc::clone(&self.in_flight).try_acquire_owned() else { return };
        let user = &USERS[deed.user];
        let url = format!("http://{}{}", self.app, deed.path);
        let mut request = if deed.method == "POST" { client.post(url) } else { client.get(url) };
        request = request
            .header("User-Agent", BROWSERS[deed.user % BROWSERS.len()])
            .header("X-Forwarded-For", address_of(deed.user))
            .header(USER_HEADER, user.handle);
        if let Some(message) = deed.message {
            request = request.json(&serde_json::json!({"message": message}));
        }
        requests.spawn(async move {
            // Errors are the app's to tell; the person just shrugs.
            if let Ok(response) = request.send().await {
                let _ = response.bytes().await;
            }
            drop(permit);
        });
    }
}

/// The load balancer asks now and then whether the app is well.
async fn probe(client: reqwest::Client, app: SocketAddr) {
    let mut ticks = tokio::time::interval(PROBE_INTERVAL);
    loop {
        ticks.tick().await;
        // The next question comes anyway.
        let _ = client.get(format!("http://{app}/api/health")).header("User-Agent", "kube-probe/1.33").send().await;
    }
}

/// An address of a block that is set aside for documentation.
fn address_of(user: usize) -> String {
    format!("203.0.113.{}", 10 + user)
}

/// Time to the next request: exponential, as with people who do not know each other.
fn pause(rng: &mut fastrand::Rng, requests_per_second: f64) -> Duration {
    let rate = if requests_per_second.is_finite() { requests_per_second.clamp(RATE_MIN, RATE_MAX) } else { RATE_MIN };
    let wait = -(1.0 - rng.f64()).ln() / rate;
    Duration::from_secs_f64(wait.min(10.0 / rate))
}

fn deed(rng: &mut fastrand::Rng) -> Deed {
    let user = rng.usize(..USERS.len());
    let get = |path: String| Deed { user, method: "GET", path, message: None };
    match rng.u32(0..100) {
        0..30 => get("/api/activities/home".to_owned()),
        30..48 => get("/api/activities/notifications".to_owned()),
        48..62 => get(format!("/api/activities/@{}", handle(rng))),
        62..74 => get(search_path(rng)),
        74..84 => get("/api/message_groups".to_owned()),
        84..90 => get(format!("/api/messages/@{}", other_user(rng).handle)),
        _ => Deed { user, method: "POST", path: "/api/activities".to_owned(), message: Some(message(rng)) },
    }
}

/// A post that is too long, or a handle that nobody has.
fn bad_deed(rng: &mut fastrand::Rng) -> Deed {
    let user = rng.usize(..USERS.len());
    if rng.bool() {
        return Deed { user, method: "POST", path: "/api/activities".to_owned(), message: Some(long_message(rng)) };
    }
    Deed { user, method: "GET", path: format!("/api/activities/@{}", unknown_handle(rng)), message: None }
}

fn other_user(rng: &mut fastrand::Rng) -> &'static User {
    &USERS[rng.usize(..USERS.len())]
}

fn unknown_handle(rng: &mut fastrand::Rng) -> &'static str {
    UNKNOWN_HANDLES[rng.usize(..UNKNOWN_HANDLES.len())]
}

/// One in thirty is mistyped.
fn handle(rng: &mut fastrand::Rng) -> &'static str {
    if rng.u32(0..30) == 0 { unknown_handle(rng) } else { other_user(rng).handle }
}

/// One in twenty forgets the term.
fn search_path(rng: &mut fastrand::Rng) -> String {
    if rng.u32(0..20) == 0 {
        return "/api/activities/search".to_owned();
    }
    let term = SEARCH_TERMS[rng.usize(..SEARCH_TERMS.len())];
    format!("/api/activities/search?term={}", term.replace(' ', "+").replace('é', "%C3%A9"))
}

/// One in twelve is too long, one in twenty empty.
fn message(rng: &mut fastrand::Rng) -> String {
    match rng.u32(0..60) {
        0..5 => long_message(rng),
        5..8 => String::new(),
        // Some of these are over the limit of the releases with shorter posts only.
        8..14 => "word ".repeat(rng.usize(40..56)),
        _ => "a thought about the weather on the station ".repeat(rng.usize(1..4)),
    }
}

fn long_message(rng: &mut fastrand::Rng) -> String {
    "no boom today ".repeat(rng.usize(21..40))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_does_the_same() {
        let deeds = |seed| {
            let mut rng = fastrand::Rng::with_seed(seed);
            std::iter::repeat_with(|| deed(&mut rng)).take(500).collect::<Vec<_>>()
        };
        assert_eq!(deeds(7), deeds(7));
        assert_ne!(deeds(7), deeds(8));
    }

    #[test]
    fn every_route_is_used_and_some_posts_are_too_long() {
        let mut rng = fastrand::Rng::with_seed(1);
        let deeds: Vec<Deed> = std::iter::repeat_with(|| deed(&mut rng)).take(1000).collect();
        for path in ["/home", "/notifications", "/@", "/search?term=", "message_groups", "messages/@"] {
            assert!(deeds.iter().any(|deed| deed.path.contains(path)), "{path}");
        }
        assert!(deeds.iter().filter_map(|deed| deed.message.as_ref()).any(|message| message.len() > 280));
        assert!(deeds.iter().any(|deed| UNKNOWN_HANDLES.iter().any(|handle| deed.path.ends_with(handle))));
    }

    #[test]
    fn the_mean_pause_is_what_the_rate_says() {
        let mut rng = fastrand::Rng::with_seed(3);
        let total: f64 = (0..10_000).map(|_| pause(&mut rng, 6.0).as_secs_f64()).sum();
        assert!((0.9..1.1).contains(&(total / 10_000.0 * 6.0)), "{total}");
        assert!(pause(&mut rng, 0.0) > Duration::ZERO);
    }
}
