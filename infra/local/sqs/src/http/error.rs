//! Errors in the form of AWS JSON: a `__type`, a `message`, and the older code in `x-amzn-query-error`, which SDKs match.

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use uuid::Uuid;

use crate::QueueError;
use crate::sigv4::Refusal;

const SQS: &str = "com.amazonaws.sqs";
/// The namespace of errors that aren't in the model of SQS.
const CORAL: &str = "com.amazon.coral.service";

/// One error answer.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    namespace: &'static str,
    name: &'static str,
    /// The code of the older protocol.
    code: &'static str,
    message: String,
}

impl ApiError {
    fn new(status: StatusCode, namespace: &'static str, (name, code): (&'static str, &'static str)) -> Self {
        Self { status, namespace, name, code, message: String::new() }
    }

    fn saying(mut self, message: impl ToString) -> Self {
        self.message = message.to_string();
        self
    }

    pub(super) fn invalid_action() -> Self {
        Self::new(StatusCode::BAD_REQUEST, CORAL, ("UnknownOperationException", "InvalidAction"))
            .saying("The action or operation requested is invalid or isn't supported here.")
    }

    /// The body isn't JSON of the right shape.
    pub(super) fn serialization(error: &serde_json::Error) -> Self {
        Self::new(StatusCode::BAD_REQUEST, CORAL, ("SerializationException", "MalformedInput")).saying(error)
    }

    pub(super) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, CORAL, ("RequestEntityTooLargeException", "RequestEntityTooLarge"))
            .saying("The request is too long.")
    }

    pub(super) fn timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, CORAL, ("RequestTimeoutException", "RequestTimeout"))
            .saying("The request body didn't arrive in time.")
    }

    pub(super) fn invalid_batch_id() -> Self {
        Self::new(StatusCode::BAD_REQUEST, SQS, ("InvalidBatchEntryId", "AWS.SimpleQueueService.InvalidBatchEntryId")).saying(
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.",
        )
    }

    pub(super) fn duplicate_batch_id(id: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, SQS, ("BatchEntryIdsNotDistinct", "AWS.SimpleQueueService.BatchEntryIdsNotDistinct"))
            .saying(format!("Id {id} repeated."))
    }

    /// Whose fault it is.
    fn is_sender_fault(&self) -> bool {
        self.status.is_client_error()
    }

    /// The error of one entry of a batch.
    pub(super) fn batch_entry(&self, id: &str) -> serde_json::Value {
        json!({ "Id": id, "SenderFault": self.is_sender_fault(), "Code": self.code, "Message": self.message })
    }
}

impl From<QueueError> for ApiError {
    fn from(error: QueueError) -> Self {
        let bad = StatusCode::BAD_REQUEST;
        let (status, namespace, names) = match &error {
            QueueError::NoSuchQueue => (bad, SQS, ("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue")),
            QueueError::NoSuchSource => (StatusCode::NOT_FOUND, SQS, ("ResourceNotFoundException", "ResourceNotFoundException")),
            QueueError::NameTaken => (bad, SQS, ("QueueNameExists", "QueueAlreadyExists")),
            QueueError::InvalidAttributeName(_) => (bad, SQS, ("InvalidAttributeName", "InvalidAttributeName")),
            QueueError::InvalidAttributeValue(_) => (bad, SQS, ("InvalidAttributeValue", "InvalidAttributeValue")),
            QueueError::InvalidParameter(_) => (bad, CORAL, ("InvalidParameterValueException", "InvalidParameterValue")),
            QueueError::MissingParameter(_) => (bad, CORAL, ("MissingRequiredParameterException", "MissingParameter")),
            QueueError::InvalidContents => (bad, SQS, ("InvalidMessageContents", "InvalidMessageContents")),
            QueueError::InvalidReceipt => (bad, SQS, ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid")),
            QueueError::NotInFlight => (bad, SQS, ("MessageNotInflight", "AWS.SimpleQueueService.MessageNotInflight")),
            QueueError::OverLimit(_) => (StatusCode::FORBIDDEN, SQS, ("OverLimit", "OverLimit")),
            QueueError::EmptyBatch => (bad, SQS, ("EmptyBatchRequest", "AWS.SimpleQueueService.EmptyBatchRequest")),
            QueueError::TooManyEntries(_) => {
                (bad, SQS, ("TooManyEntriesInBatchRequest", "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"))
            }
            QueueError::BatchTooLong(_) => (bad, SQS, ("BatchRequestTooLong", "AWS.SimpleQueueService.BatchRequestTooLong")),
            QueueError::Unsupported(_) => (bad, SQS, ("UnsupportedOperation", "AWS.SimpleQueueService.UnsupportedOperation")),
            QueueError::Busy => (StatusCode::FORBIDDEN, SQS, ("RequestThrottled", "RequestThrottled")),
            QueueError::Storage(_) | QueueError::Format { .. } | QueueError::Interrupted(_) => {
                tracing::error!(cause = std::error::Error::source(&error), "{error}");
                (StatusCode::INTERNAL_SERVER_ERROR, CORAL, ("InternalFailure", "InternalFailure"))
            }
        };
        Self::new(status, namespace, names).saying(error)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let (names, message) = match refusal {
            Refusal::Missing => (("MissingAuthenticationTokenException", "MissingAuthenticationToken"), "The request isn't signed."),
            Refusal::Malformed => {
                (("IncompleteSignatureException", "IncompleteSignature"), "The request signature does not conform to AWS standards.")
            }
            Refusal::UnknownKey => {
                (("UnrecognizedClientException", "InvalidClientTokenId"), "The security token included in the request is invalid.")
            }
            Refusal::Mismatch => (
                ("InvalidSignatureException", "SignatureDoesNotMatch"),
                "The request signature we calculated does not match the signature you provided.",
            ),
            Refusal::Expired => (
                ("InvalidSignatureException", "SignatureDoesNotMatch"),
                "Signature expired, or made by a clock that is more than 15 minutes off.",
            ),
        };
        Self::new(StatusCode::FORBIDDEN, CORAL, names).saying(message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let fault = if self.is_sender_fault() { "Sender" } else { "Receiver" };
        let body = json!({ "__type": format!("{}#{}", self.namespace, self.name), "message": self.message });
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::try_from(format!("{};{fault}", self.code)) {
            headers.insert("x-amzn-query-error", value);
        }
        with_headers((self.status, headers, axum::Json(body)).into_response())
    }
}

/// Adds what every answer carries.
pub(super) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    if let Ok(id) = HeaderValue::try_from(Uuid::now_v7().to_string()) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}
