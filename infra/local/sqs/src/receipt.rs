//! Receipt handles: which queue and message, and which receive of it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::QueueError;

/// Bytes of randomness that tell one receive of a message from the next.
pub(crate) const NONCE_BYTES: usize = 16;

/// A handle taken apart.
pub(crate) struct Receipt {
    pub(crate) queue_id: i64,
    pub(crate) seq: i64,
    pub(crate) nonce: [u8; NONCE_BYTES],
}

impl Receipt {
    /// A receipt for a new receive of message `seq`.
    pub(crate) fn new(queue_id: i64, seq: i64) -> Result<Self, QueueError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|_| QueueError::Interrupted("no randomness"))?;
        Ok(Self { queue_id, seq, nonce })
    }

    pub(crate) fn encode(&self) -> String {
        let mut bytes = [0; 16 + NONCE_BYTES];
        bytes[..8].copy_from_slice(&self.queue_id.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.seq.to_be_bytes());
        bytes[16..].copy_from_slice(&self.nonce);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Takes a handle of the queue `queue_id` apart.
    pub(crate) fn decode(handle: &str, queue_id: i64) -> Result<Self, QueueError> {
        let bytes = URL_SAFE_NO_PAD.decode(handle).map_err(|_| QueueError::InvalidReceipt)?;
        let bytes: [u8; 16 + NONCE_BYTES] = bytes.try_into().map_err(|_| QueueError::InvalidReceipt)?;
        let (numbers, nonce) = bytes.split_at(16);
        let (of_queue, seq) = numbers.split_at(8);
        let number = |part: &[u8]| part.try_into().map(i64::from_be_bytes).map_err(|_| QueueError::InvalidReceipt);
        let receipt =
            Self { queue_id: number(of_queue)?, seq: number(seq)?, nonce: nonce.try_into().map_err(|_| QueueError::InvalidReceipt)? };
        if receipt.queue_id == queue_id { Ok(receipt) } else { Err(QueueError::InvalidReceipt) }
    }
}
