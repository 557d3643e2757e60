//! Runs of suites that are shell scripts, and what is printed of them.

use super::*;

const fn shell(argv: &'static [&'static str]) -> Step {
    Step { argv, environment: &[], folder: "" }
}

const GOOD: Suite = Suite {
    name: "good",
    what: "",
    tools: &[],
    steps: &[
        shell(&["sh", "-c", "echo 'test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured'"]),
        shell(&["sh", "-c", "echo 'test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured'"]),
    ],
    count: Some(count::cargo_test),
};
const BAD: Suite = Suite {
    name: "bad",
    what: "",
    tools: &[],
    steps: &[
        shell(&["sh", "-c", "echo what went wrong >&2; exit 3"]),
        shell(&["sh", "-c", "echo not reached"]),
    ],
    count: None,
};
const EMPTY: Suite = Suite { steps: &[shell(&["true"])], ..GOOD };
const CRASH: Suite =
    Suite { steps: &[shell(&["sh", "-c", "echo 'test result: ok. 3 passed'; exit 101"])], ..GOOD };
const HANGING: Suite = Suite { steps: &[shell(&["sleep", "600"])], ..BAD };
const ABSENT: Tool = Tool { name: "absent", probe: &["no-such-program"], get: "install it" };

/// It fails the second time, when it finds what it has left.
const UNLUCKY: Suite =
    Suite { steps: &[shell(&["sh", "-c", "mkdir once && echo 'test result: ok. 1 passed'"])], ..GOOD };

/// Runs the suites, and gives the exit of the run and what it printed, without the seconds.
fn check(suites: &[&Suite], ci: bool, limit: Duration) -> (Tally, String) {
    check_repeated(1, suites, ci, limit)
}

fn check_repeated(times: u32, suites: &[&Suite], ci: bool, limit: Duration) -> (Tally, String) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_owned();
    let setting = Setting { logs: root.join("logs"), xtask: "true".into(), root, ci, limit };
    let mut out = Vec::new();
    let (total, interrupted) = repeat(times, suites, &setting, &mut out).unwrap();
    assert!(!interrupted);
    (total, String::from_utf8(out).unwrap())
}

const LONG: Duration = Duration::from_secs(60);

#[test]
fn counts_are_added_and_the_last_line_is_the_total() {
    let (total, printed) = check(&[&GOOD, &Suite { name: "plain", count: None, ..GOOD }], false, LONG);
    assert_eq!(total, Tally { passed: 8, failed: 0, skipped: 1 });
    assert_eq!(printed.lines().last(), Some("8 passed, 0 failed, 1 skipped"));
    assert!(printed.contains("good               7       0       1"), "{printed}");
}

#[test]
fn a_failing_step_ends_its_suite_and_shows_its_log() {
    let (total, printed) = check(&[&BAD, &GOOD], false, LONG);
    assert_eq!(total, Tally { passed: 7, failed: 1, skipped: 1 });
    assert!(
        printed.contains("bad: `sh -c echo what went wrong >&2; exit 3` ended with exit status: 3"),
        "{printed}"
    );
    assert!(printed.contains("\nwhat went wrong\n") && !printed.contains("\nnot reached"), "{printed}");
    assert_eq!(printed.lines().last(), Some("7 passed, 1 failed, 1 skipped"));
}

#[test]
fn a_suite_that_counts_nothing_has_failed() {
    let (total, printed) = check(&[&EMPTY], false, LONG);
    assert_eq!(total, Tally::FAILED);
    assert!(printed.contains("good: no test was counted"), "{printed}");
}

#[test]
fn a_crash_after_good_counts_has_failed() {
    assert_eq!(check(&[&CRASH], false, LONG).0, Tally { passed: 3, failed: 1, skipped: 0 });
}

#[test]
fn a_missing_tool_is_skipped_for_a_person_and_a_failure_in_ci() {
    let suite = Suite { tools: &[ABSENT], ..GOOD };
    let (total, printed) = check(&[&suite], false, LONG);
    assert_eq!(total, Tally::SKIPPED);
    assert!(printed.contains("good: not run, absent is missing: install it"), "{printed}");
    assert_eq!(printed.lines().last(), Some("0 passed, 0 failed, 1 skipped"));
    assert_eq!(check(&[&suite], true, LONG).0, Tally::FAILED);
}

#[test]
fn repeating_ends_with_the_first_run_that_fails() {
    let (total, printed) = check_repeated(5, &[&UNLUCKY], false, LONG);
    assert_eq!(total, Tally::FAILED);
    assert_eq!(printed.matches("suite ").count(), 2, "{printed}");
    let (total, printed) = check_repeated(3, &[&GOOD], false, LONG);
    assert_eq!((total.passed, printed.matches("7 passed, 0 failed").count()), (7, 3), "{printed}");
}

#[test]
fn a_suite_that_hangs_is_ended() {
    let (total, printed) = check(&[&HANGING], false, Duration::ZERO);
    assert_eq!(total, Tally::FAILED);
    assert!(printed.contains("bad: `sleep 600` took longer than"), "{printed}");
}

#[test]
fn an_unknown_suite_is_named_with_those_there_are() {
    let error = choose(&[GOOD, BAD], &["none".to_owned()]).err().unwrap().to_string();
    assert_eq!(error, "there is no suite `none`: choose from good, bad");
    assert_eq!(choose(&[GOOD, BAD], &["bad".to_owned()]).unwrap()[0].name, "bad");
    assert_eq!(choose(&[GOOD, BAD], &[]).unwrap().len(), 2);
}
