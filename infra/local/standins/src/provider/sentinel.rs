//! Words in a prompt that force a failure, for tests and for trying things out.
//!
//! | in the prompt | what happens |
//! | --- | --- |
//! | `[[fail:content-policy]]` | the result is 422 `content_policy_violation` |
//! | `[[fail:validation]]` | the result is 422 `value_error` on `prompt` |
//! | `[[fail:server]]` | the result is 500 `internal_server_error`, from the model |
//! | `[[fail:runner]]` | the result is 503 `runner_disconnected`, from the platform |
//! | `[[fail:timeout]]` | the result is 504 `generation_timeout` |
//! | `[[submit:locked]]` | submitting answers 403, the balance is used up; nothing is queued |
//! | `[[submit:unavailable]]` | submitting answers 503 with an HTML page; nothing is queued |
//! | `[[submit:lost]]` | the request is accepted and runs, but the connection closes without an answer |
//! | `[[submit:slow]]` | the answer comes only after the request is complete and its webhook was tried (at most 10 s) |
//! | `[[run:hang]]` | stays `IN_PROGRESS` until it is cancelled, and holds no place that others wait for |
//! | `[[run:late]]` | takes `late_delay` to run instead of the usual time |
//! | `[[cancel:ignored]]` | cancelling while it runs is accepted, and it finishes all the same |
//! | `[[webhook:lost]]` | no webhook |
//! | `[[webhook:late]]` | the webhook comes `late_delay` after the result is there |
//! | `[[webhook:duplicate]]` | the webhook comes twice, whatever the first one is answered |
//! | `[[webhook:forged]]` | one webhook whose signature is of another key, and no other |
//! | `[[webhook:payload-error]]` | the webhook carries `payload: null` and `payload_error` |
//! | `[[media:huge]]` | each file is padded to 40 MiB |
//! | `[[media:endless]]` | each file comes without a length and goes on for 4 GiB |
//! | `[[media:wrong-type]]` | each file is an HTML page of type `text/html` |
//! | `[[media:truncated]]` | each file ends in the middle, and its length says so |
//! | `[[media:cut]]` | the connection closes in the middle of each file |
//! | `[[media:missing]]` | each file answers 404 |
//! | `[[media:black]]` | pictures are black, with `has_nsfw_concepts: [true]` where the model has it |
//!
//! Several can stand in one prompt. They count in every text of the input at its top level, so `negative_prompt` works
//! as well. An unknown one is plain text.

use serde_json::Value;

macro_rules! sentinels {
    ($($variant:ident = $word:literal),* $(,)?) => {
        /// One forced failure.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(super) enum Sentinel {
            $($variant),*
        }

        const ALL: &[(Sentinel, &str)] = &[$((Sentinel::$variant, concat!("[[", $word, "]]"))),*];
    };
}

sentinels! {
    FailContentPolicy = "fail:content-policy",
    FailValidation = "fail:validation",
    FailServer = "fail:server",
    FailRunner = "fail:runner",
    FailTimeout = "fail:timeout",
    SubmitLocked = "submit:locked",
    SubmitUnavailable = "submit:unavailable",
    SubmitLost = "submit:lost",
    SubmitSlow = "submit:slow",
    RunHang = "run:hang",
    RunLate = "run:late",
    CancelIgnored = "cancel:ignored",
    WebhookLost = "webhook:lost",
    WebhookLate = "webhook:late",
    WebhookDuplicate = "webhook:duplicate",
    WebhookForged = "webhook:forged",
    WebhookPayloadError = "webhook:payload-error",
    MediaHuge = "media:huge",
    MediaEndless = "media:endless",
    MediaWrongType = "media:wrong-type",
    MediaTruncated = "media:truncated",
    MediaCut = "media:cut",
    MediaMissing = "media:missing",
    MediaBlack = "media:black",
}

/// The sentinels of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sentinels(Vec<Sentinel>);

impl Sentinels {
    /// Those in the texts of an input.
    pub(super) fn of(input: &Value) -> Self {
        let texts: Vec<&str> = input.as_object().into_iter().flatten().filter_map(|(_, value)| value.as_str()).collect();
        let said = ALL.iter().filter(|(_, word)| texts.iter().any(|text| text.contains(word)));
        Self(said.map(|(sentinel, _)| *sentinel).collect())
    }

    pub(super) fn has(&self, sentinel: Sentinel) -> bool {
        self.0.contains(&sentinel)
    }

    /// The first of `wanted` that is there.
    pub(super) fn first(&self, wanted: &[Sentinel]) -> Option<Sentinel> {
        wanted.iter().copied().find(|sentinel| self.has(*sentinel))
    }
}

/// A prompt as it is drawn: without its sentinels.
pub(super) fn without(prompt: &str) -> String {
    ALL.iter().fold(prompt.to_owned(), |text, (_, word)| text.replace(word, "")).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sentinels_are_found_and_removed() {
        let sentinels = Sentinels::of(&json!({"prompt": "a fox [[run:hang]] [[no:such]]", "negative_prompt": "[[media:black]]", "n": 1}));
        assert!(sentinels.has(Sentinel::RunHang) && sentinels.has(Sentinel::MediaBlack) && !sentinels.has(Sentinel::RunLate));
        assert_eq!(without("[[run:hang]] a fox [[no:such]]"), "a fox [[no:such]]");
    }

    #[test]
    fn every_sentinel_is_in_the_table() {
        let table = include_str!("sentinel.rs");
        for (_, word) in ALL {
            assert!(table.contains(&format!("//! | `{word}` |")), "{word}");
        }
    }
}
