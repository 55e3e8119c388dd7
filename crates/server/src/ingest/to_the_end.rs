//! A future that is not given up half way.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::runtime::Handle;

/// Waits for a future, and lets it run on by itself when whoever waits goes away.
///
/// A client that hangs up takes its handler with it, but not what the handler began: rows on their way to the disk arrive,
/// and what must be noted then is noted.
pub struct ToTheEnd<T: Send + 'static>(Option<Pin<Box<dyn Future<Output = T> + Send>>>);

impl<T: Send + 'static> ToTheEnd<T> {
    pub fn new(future: impl Future<Output = T> + Send + 'static) -> ToTheEnd<T> {
        ToTheEnd(Some(Box::pin(future)))
    }
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        let done = future.as_mut().poll(context);
        if done.is_ready() {
            self.0 = None;
        }
        done
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        if let Some(future) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_was_begun_goes_on_without_its_caller() {
        let (go, wait) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let mut begun = ToTheEnd::new(async move {
            wait.await.unwrap();
            tell.send(7).unwrap();
        });
        assert!(futures::poll!(&mut begun).is_pending());
        drop(begun);
        go.send(()).unwrap();
        assert_eq!(told.await.unwrap(), 7);
    }
}
