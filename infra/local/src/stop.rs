//! The one sign by which everything that runs learns that it should end.

use tokio::sync::watch;

/// Given to everything that runs; holds true once it should end.
pub(crate) type Stop = watch::Receiver<bool>;

/// Ready when `stop` holds true, or when nobody is left who could say so.
pub(crate) async fn stopped(stop: &mut Stop) {
    let _gone = stop.wait_for(|stop| *stop).await;
}

/// As [`stopped`], for what keeps it.
pub(crate) fn until(stop: &Stop) -> impl Future<Output = ()> + Send + use<> {
    let mut stop = stop.clone();
    async move { stopped(&mut stop).await }
}
