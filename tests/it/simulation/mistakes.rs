//! That the worlds see something: mistakes, built in on purpose, are found.

use tests::scale;

use super::explore;
use super::sim::Mistake;

/// In how many worlds a mistake must be found.
const WITHIN: u64 = 200;

/// Writes that are found to be made whatever their conditions say. Where two are named, each would do alone.
const NEEDED: [&[&str]; 8] = [
    &["put IDEM"],
    &["update QUOTA taken+"],
    &["update SLOTS running+"],
    &["update CALL to SUBMITTING", "delete WAIT"],
    &["update CALL to RESULT_READY"],
    &["update CALL to FAILED"],
    &["update CALL to CANCELLED", "delete WAIT"],
    &["update CALL to COMPLETE", "put ASSET"],
];

/// What broke, in the first world that shows it.
fn find(mistake: &Mistake, within: u64) -> Result<(u64, String), bool> {
    let played = explore(1, within, Some(mistake), |played| played.wrong.is_some());
    let made = played.iter().any(|played| played.spoilt);
    played.into_iter().find_map(|played| Some((played.seed, played.wrong?))).ok_or(made)
}

#[test]
fn a_client_that_sends_again_is_found() {
    let (_, wrong) = find(&Mistake::SendsAgain, WITHIN).expect("it is found");
    assert!(wrong.starts_with("the provider is asked twice"), "{wrong}");
}

#[test]
fn writes_whatever_their_conditions_say_are_found() {
    let writes: Vec<Vec<String>> = NEEDED.iter().map(|names| names.iter().map(|name| (*name).to_owned()).collect()).collect();
    let mut missed = Vec::new();
    for names in writes {
        match find(&Mistake::Unconditional(names.clone()), scale(WITHIN, 1_000)) {
            Ok((seed, wrong)) => eprintln!("{names:?}: seed {seed}, {wrong}"),
            Err(made) => {
                eprintln!("{names:?}: not found, made: {made}");
                missed.push(names);
            }
        }
    }
    assert!(missed.is_empty(), "nothing is missed without the conditions of {missed:#?}");
}
