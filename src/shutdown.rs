//! Stopping in two stages: first asked for, then insisted on.

use tokio_util::sync::CancellationToken;

/// Told to every part of the program that has to end.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    asked: CancellationToken,
    insisted: CancellationToken,
}

impl Shutdown {
    /// The next stage: the first call asks, the second insists.
    pub fn advance(&self) {
        if self.asked.is_cancelled() {
            self.insisted.cancel();
        }
        self.asked.cancel();
    }

    /// Returns once the end has been asked for.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Returns once the end has been insisted on.
    pub async fn insisted(&self) {
        self.insisted.cancelled().await;
    }
}
