//! How many tests a log tells of: one counter for each kind of tool.

use std::fmt;
use std::ops::AddAssign;

/// Tests, by how they went.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Tally {
    /// One check that passed as a whole.
    pub const PASSED: Self = Self { passed: 1, failed: 0, skipped: 0 };
    /// One check that failed as a whole.
    pub const FAILED: Self = Self { passed: 0, failed: 1, skipped: 0 };
    /// One check that could not be made.
    pub const SKIPPED: Self = Self { passed: 0, failed: 0, skipped: 1 };
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// The closing line of a run.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            skipped => write!(f, ", {skipped} skipped"),
        }
    }
}

/// Counts what `cargo test` says of each test program.
pub fn cargo_test(log: &str) -> Tally {
    let mut tally = Tally::default();
    for line in log.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        let counts = line.split_once(". ").map_or("", |(_, counts)| counts);
        for count in counts.split(';') {
            let Some((number, what)) = count.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => tally.passed += number,
                "failed" => tally.failed += number,
                "ignored" => tally.skipped += number,
                _ => {}
            }
        }
    }
    tally
}

/// Counts the closing lines of the conformance kit: cells, mutants and seeds.
pub fn conformance(log: &str) -> Tally {
    let mut tally = Tally::default();
    for kind in ["conformance: ", "mutants: ", "seeds: "] {
        for line in log.lines().filter_map(|line| line.strip_prefix(kind)) {
            for count in line.split(", ") {
                let mut words = count.split(' ');
                let (Some(number), Some(what)) = (words.next(), words.next()) else { continue };
                let Ok(number) = number.parse::<u64>() else { continue };
                match what {
                    "passed" => tally.passed += number,
                    "failed" => tally.failed += number,
                    _ => {}
                }
            }
        }
    }
    tally
}

/// Counts what Node's own test runner says at the end of a run.
pub fn node_test(log: &str) -> Tally {
    let mut tally = Tally::default();
    for line in log.lines().filter_map(|line| line.strip_prefix("ℹ ")) {
        let Some((what, number)) = line.split_once(' ') else { continue };
        let Ok(number) = number.parse::<u64>() else { continue };
        match what {
            "pass" => tally.passed += number,
            "fail" | "cancelled" => tally.failed += number,
            "skipped" | "todo" => tally.skipped += number,
            _ => {}
        }
    }
    tally
}

/// Counts what `go test -v` says of each test and subtest.
pub fn go_test(log: &str) -> Tally {
    let mut tally = Tally::default();
    for line in log.lines().filter_map(|line| line.trim_start().strip_prefix("--- ")) {
        match line.split_once(": ") {
            Some(("PASS", _)) => tally.passed += 1,
            Some(("FAIL", _)) => tally.failed += 1,
            Some(("SKIP", _)) => tally.skipped += 1,
            _ => {}
        }
    }
    tally
}

/// Counts the closing line that `dotnet test` writes for each test program.
pub fn dotnet_test(log: &str) -> Tally {
    let mut tally = Tally::default();
    let lines = log.lines().map(str::trim_start);
    for counts in lines.filter_map(|line| line.split_once("!  - ").map(|(_, counts)| counts)) {
        for count in counts.split(',') {
            let Some((what, number)) = count.split_once(':') else { continue };
            let Ok(number) = number.trim().parse::<u64>() else { continue };
            match what.trim() {
                "Passed" => tally.passed += number,
                "Failed" => tally.failed += number,
                "Skipped" => tally.skipped += number,
                _ => {}
            }
        }
    }
    tally
}

/// Counts what Python's own test runner says at the end of a run, and test programs of Rust beside it.
pub fn unittest(log: &str) -> Tally {
    let mut tally = cargo_test(log);
    let mut ran = 0;
    for line in log.lines() {
        if let Some((count, _)) = line.strip_prefix("Ran ").and_then(|rest| rest.split_once(" test")) {
            ran = count.parse().unwrap_or(0);
            continue;
        }
        let Some(outcome) = line.strip_prefix("OK").or_else(|| line.strip_prefix("FAILED")) else { continue };
        let mut broken = 0;
        for part in outcome.trim().trim_matches(['(', ')']).split(", ") {
            let Some((what, number)) = part.split_once('=') else { continue };
            let number = number.parse::<u64>().unwrap_or(0);
            match what {
                "failures" | "errors" | "unexpected successes" => broken += number,
                "skipped" => tally.skipped += number,
                _ => {}
            }
        }
        tally.failed += broken;
        tally.passed += u64::saturating_sub(ran, broken);
        ran = 0;
    }
    tally
}

/// Counts the one comparison of the protocol with its last tagged version, which may have nothing to compare with.
pub fn breaking(log: &str) -> Tally {
    match log.lines().find_map(|line| line.strip_prefix("breaking: ")) {
        Some(said) if said.starts_with("skipped") => Tally::SKIPPED,
        Some(said) if said.ends_with("keep what was, and add beside it") => Tally::FAILED,
        Some(_) => Tally::PASSED,
        None => Tally::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_without_a_tag_is_skipped() {
        assert_eq!(breaking("breaking: skipped, there is no version tag yet\n"), Tally::SKIPPED);
        assert_eq!(breaking("breaking: nothing breaks a peer\n"), Tally::PASSED);
        let broken = "breaking: 2 changes break peers of v0.1.0; keep what was, and add beside it\n";
        assert_eq!(breaking(broken), Tally::FAILED);
        assert_eq!(breaking("error: no git"), Tally::default());
    }

    #[test]
    fn a_run_of_python_is_counted_by_its_closing_lines() {
        let log = "....\n---\nRan 9 tests in 0.2s\n\nFAILED (failures=1, errors=2)\nOK then\n";
        assert_eq!(unittest(log), Tally { passed: 6, failed: 3, skipped: 0 });
        assert_eq!(unittest("Ran 1 test in 0.0s\n\nOK\n"), Tally { passed: 1, failed: 0, skipped: 0 });
        assert_eq!(unittest("OK"), Tally::default());
    }

    #[test]
    fn a_run_of_go_is_counted_test_by_test() {
        let log = "=== RUN   TestA\n--- FAIL: TestA (0.01s)\n    --- PASS: TestA/one (0.00s)\n\
            --- SKIP: TestB (0.00s)\nFAIL\n";
        assert_eq!(go_test(log), Tally { passed: 1, failed: 1, skipped: 1 });
        assert_eq!(go_test("ok  \texample.com/a\t0.1s\n"), Tally::default());
    }

    #[test]
    fn a_run_of_node_is_counted_by_its_closing_lines() {
        let log = "ℹ tests 9\nℹ suites 0\nℹ pass 5\nℹ fail 2\nℹ cancelled 1\nℹ skipped 1\nℹ todo 0\n";
        assert_eq!(node_test(log), Tally { passed: 5, failed: 3, skipped: 1 });
        assert_eq!(node_test("✔ pass 5"), Tally::default());
    }

    #[test]
    fn results_of_all_test_programs_are_added() {
        let log = "running 3 tests\n\
            test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 4 filtered out; finished in 0.01s\n\
            note: test result: ok. 9 passed\n\
            test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        assert_eq!(cargo_test(log), Tally { passed: 7, failed: 2, skipped: 1 });
        assert_eq!(cargo_test("error: could not compile"), Tally::default());
    }

    #[test]
    fn a_run_of_dotnet_is_counted_by_its_closing_lines() {
        let log = "Failed!  - Failed:     1, Passed:   196, Skipped:     2, Total:   199, Duration: 3 s - a.dll\n\
            Passed!  - Failed:     0, Passed:     4, Skipped:     0, Total:     4, Duration: 1 s - b.dll\n";
        assert_eq!(dotnet_test(log), Tally { passed: 200, failed: 1, skipped: 2 });
        assert_eq!(dotnet_test("Build succeeded."), Tally::default());
    }

    #[test]
    fn the_closing_line_tells_of_skipped_tests_when_there_are_any() {
        assert_eq!(Tally { passed: 12, failed: 0, skipped: 0 }.to_string(), "12 passed, 0 failed");
        assert_eq!(Tally { passed: 1, failed: 2, skipped: 3 }.to_string(), "1 passed, 2 failed, 3 skipped");
    }

    #[test]
    fn a_run_of_the_kit_is_counted_by_its_closing_lines() {
        let log = "conformance: 440 passed, 2 failed, 3500 checks in 40.1 s (sqlite)\nmutants: 81 passed, 0 failed in 20.0 s\n\
            seeds: 499 passed, 1 failed in 12.5 s\nFAILED tool with go: seeds: 5 passed\n";
        assert_eq!(conformance(log), Tally { passed: 1020, failed: 3, skipped: 0 });
        assert_eq!(conformance("error: a lane"), Tally::default());
    }
}
