//! The keyword leg's items. For every access class and term there is one partition: counts of the
//! chunks that hold the term, and a posting per document, those that can score most first.
//!
//! A posting and its count are written in one transaction, so counts are right after any crash. Counts
//! stand in [`SHARDS`] items, so that documents written side by side rarely meet on one.

use crate::item::Item;
use crate::keys::{self, Key};
use crate::table::{Outcome, Table, Write, back_off};
use smooai_smooth_operator_retrieval::bm25::{B, K1};
use smooai_smooth_operator_store::{Result, StoreError};

/// Over so many items a term's count is spread.
const SHARDS: u64 = 8;
/// The length that impacts are computed for; see [`impact`].
const REFERENCE_LENGTH: f32 = 200.0;
/// The finest step of an impact.
const STEPS: f32 = 65_535.0;
/// Postings written in one transaction: two writes each, of at most 100.
const TOGETHER: usize = 50;
/// The most chunks of one posting, 10 bytes each: an item holds at most 400 KB and a transaction 4 MB. A
/// document with more chunks that hold a term has several postings of it.
pub(super) const MOST_OCCURRENCES: usize = 4_000;
/// How often a transaction is tried that others are in the way of.
const TRIES: u32 = 30;

/// One chunk that holds a term.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Occurrence {
    pub(super) ordinal: u32,
    pub(super) count: u16,
    /// The chunk's number of terms.
    pub(super) length: u32,
}

/// Chunks of one document that hold a term, at least one and at most [`MOST_OCCURRENCES`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Posting {
    pub(super) term: u64,
    pub(super) occurrences: Vec<Occurrence>,
}

/// The partition of a term in a class.
pub(super) fn partition(organization: &str, class: &str, term: u64) -> String {
    keys::of_names('P', &[organization, class, &format!("{term:016x}")])
}

/// How much a term says about a chunk, in 0..1, if chunks were [`REFERENCE_LENGTH`] terms long on
/// average: count / (count + K1 · (1 − B + B · length / reference)). It only orders postings.
#[expect(clippy::cast_precision_loss, reason = "a chunk has far fewer than 2^24 terms")]
fn impact(occurrence: Occurrence) -> f32 {
    let count = f32::from(occurrence.count);
    count / (count + K1 * (1.0 - B + B * occurrence.length as f32 / REFERENCE_LENGTH))
}

/// The most that a posting whose impact is at most `impact` can add to a score of weight `idf`, whatever
/// the real average length is. With n the norm at the reference and m the real one, m ≥ n · min(1,
/// reference / average), and count / n = impact / (1 − impact).
pub(super) fn bound(idf: f32, impact: f32, average_length: f32) -> f32 {
    if impact >= 1.0 {
        return idf * (K1 + 1.0);
    }
    let ratio = impact / (1.0 - impact);
    let slack = (REFERENCE_LENGTH / average_length).min(1.0);
    idf * (K1 + 1.0) * ratio / (ratio + slack) * 1.0001
}

/// The sort key of a posting: larger impacts first. Rounded down, so that a bound from the key holds
/// after one step up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an impact is in 0..=1")]
fn place(posting: &Posting, document: &str, version: &str) -> String {
    let most = posting.occurrences.iter().map(|one| impact(*one)).fold(0.0, f32::max);
    let step = (most * STEPS) as u16;
    // The first chunk keeps the postings of one term and document apart.
    let first = posting.occurrences.first().map_or(0, |one| one.ordinal);
    format!("{:04x}={document}#{version}#{first:x}", u16::MAX - step)
}

/// The impact that no later posting of the partition exceeds.
pub(super) fn impact_of(sort_key: &str) -> Option<f32> {
    let step = u16::MAX - u16::from_str_radix(sort_key.get(..4)?, 16).ok()?;
    Some((f32::from(step) + 1.0) / STEPS)
}

/// A posting as it was read: of which document and version.
pub(super) fn read(item: &Item) -> Result<(&str, &str, Vec<Occurrence>)> {
    let bytes = item.find_bytes("o").ok_or_else(|| item.broken("o"))?;
    let occurrence = |bytes: &[u8]| {
        let number = |range: std::ops::Range<usize>| {
            bytes[range].iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte))
        };
        Occurrence {
            ordinal: number(0..4),
            count: u16::try_from(number(4..6)).unwrap_or(u16::MAX),
            length: number(6..10),
        }
    };
    Ok((item.get_text("d")?, item.get_text("v")?, bytes.chunks_exact(10).map(occurrence).collect()))
}

fn bytes(occurrences: &[Occurrence]) -> Vec<u8> {
    let each = |one: &Occurrence| {
        let mut bytes = one.ordinal.to_be_bytes().to_vec();
        bytes.extend(one.count.to_be_bytes());
        bytes.extend(one.length.to_be_bytes());
        bytes
    };
    occurrences.iter().flat_map(each).collect()
}

/// The postings in groups that hold a term once each: a transaction may change the count of a term once.
/// Postings of one term stand side by side.
fn apart(postings: &[Posting]) -> Vec<Vec<&Posting>> {
    let mut groups: Vec<Vec<&Posting>> = Vec::new();
    for of_one_term in postings.chunk_by(|a, b| a.term == b.term) {
        for (at, posting) in of_one_term.iter().enumerate() {
            if groups.len() == at {
                groups.push(Vec::new());
            }
            groups[at].push(posting);
        }
    }
    groups
}

/// The postings of one version of one document.
pub(super) struct Written<'a> {
    pub(super) organization: &'a str,
    pub(super) class: &'a str,
    pub(super) document: &'a str,
    pub(super) version: &'a str,
}

impl Written<'_> {
    fn count_key(&self, term: u64) -> Key {
        let shard = self.version.bytes().fold(0_u64, |sum, byte| sum + u64::from(byte)) % SHARDS;
        Key::new(partition(self.organization, self.class, term), format!("!{shard}"))
    }

    fn key(&self, posting: &Posting) -> Key {
        let pk = partition(self.organization, self.class, posting.term);
        Key::new(pk, place(posting, self.document, self.version))
    }

    fn writes(&self, posting: &Posting, add: bool) -> [Write; 2] {
        let key = self.key(posting);
        let held = i64::try_from(posting.occurrences.len()).unwrap_or(i64::MAX);
        let count = Item::new("N", &self.count_key(posting.term));
        if add {
            let item = Item::new("P", &key)
                .text("d", self.document)
                .text("v", self.version)
                .bytes("o", bytes(&posting.occurrences));
            [Write::New(item), Write::Add { item: count, numbers: vec![("n", held)] }]
        } else {
            [Write::DeleteThere(key), Write::Add { item: count, numbers: vec![("n", -held)] }]
        }
    }

    /// Adds the postings and counts them. What an earlier try has added is left as it is.
    pub(super) async fn add(&self, table: &Table, postings: &[Posting]) -> Result<()> {
        self.change(table, postings, true).await
    }

    /// Removes the postings and what they count. What is gone already is left so.
    pub(super) async fn remove(&self, table: &Table, postings: &[Posting]) -> Result<()> {
        self.change(table, postings, false).await
    }

    async fn change(&self, table: &Table, postings: &[Posting], add: bool) -> Result<()> {
        let groups = apart(postings);
        for together in groups.iter().flat_map(|group| group.chunks(TOGETHER)) {
            let mut left = together.to_vec();
            let mut attempt = 0;
            while !left.is_empty() {
                let writes = left.iter().flat_map(|posting| self.writes(posting, add)).collect();
                match table.transact(writes).await? {
                    Outcome::Done => break,
                    Outcome::Refused(failed) => {
                        // Two writes each: the posting's own tells whether it is done already.
                        let mut refused = failed.iter().step_by(2);
                        left.retain(|_| refused.next() != Some(&true));
                    }
                }
                attempt += 1;
                if attempt == TRIES {
                    let context = "too many documents of one organisation are written at once".to_owned();
                    return Err(StoreError::Unavailable { context, source: None });
                }
                back_off(attempt, self.version).await;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smooai_smooth_operator_retrieval::bm25::term_score;

    #[test]
    fn a_bound_from_the_sort_key_holds_for_every_average_length() {
        for average in [1.0, 20.0, 200.0, 5_000.0] {
            for count in [1_u16, 2, 9, 400] {
                for length in [1_u32, 30, 200, 3_000] {
                    let one = Occurrence { ordinal: 0, count, length };
                    let key = place(&Posting { term: 1, occurrences: vec![one] }, "d", "v");
                    let (most, real) = (
                        bound(2.0, impact_of(&key).unwrap(), average),
                        term_score(2.0, count, length, average),
                    );
                    assert!(real <= most, "{real} > {most}: {count} of {length}, average {average}");
                }
            }
        }
    }

    #[test]
    fn the_postings_of_one_term_and_document_stay_apart() {
        let from = |ordinal| Posting {
            term: 7,
            occurrences: vec![Occurrence { ordinal, count: 1, length: 300 }; 2],
        };
        assert_ne!(place(&from(0), "d", "v"), place(&from(4_000), "d", "v"));
        assert!(bytes(&vec![from(0).occurrences[0]; MOST_OCCURRENCES]).len() * TOGETHER <= 4_000_000);
    }

    #[test]
    fn a_group_holds_a_term_once() {
        let posting =
            |term, ordinal| Posting { term, occurrences: vec![Occurrence { ordinal, count: 1, length: 1 }] };
        let all = [posting(1, 0), posting(2, 0), posting(2, 4_000), posting(2, 8_000), posting(3, 0)];
        let groups = apart(&all);
        assert_eq!(groups, [vec![&all[0], &all[1], &all[4]], vec![&all[2]], vec![&all[3]]]);
        assert!(apart(&[]).is_empty());
    }

    #[test]
    fn better_postings_sort_first_and_read_back() {
        let posting = |count| Posting {
            term: 7,
            occurrences: vec![Occurrence { ordinal: 70_000, count, length: 300 }],
        };
        assert!(place(&posting(5), "z", "v") < place(&posting(1), "a", "v"));
        let item = Item::default().text("d", "doc").text("v", "1").bytes("o", bytes(&posting(5).occurrences));
        assert_eq!(read(&item).unwrap(), ("doc", "1", posting(5).occurrences));
    }
}
