//! Documents, questions and vectors made from a seed: words that are as unevenly frequent as those of a
//! language (Zipf–Mandelbrot), and vectors that stand in clusters as those of a model do. The same size
//! gives the same corpus on every machine, and a document is made anew wherever it is needed.

use jiff::Timestamp;
use smooai_smooth_operator_retrieval::normalise;
use smooai_smooth_operator_store::{Access, AccessList, Chunk, Document, OrganizationId};

/// Numbers per vector.
pub const DIMENSION: usize = 384;

/// The start of each document's id, which nothing else holds.
pub const IDS: &str = "made-up-";

/// Different words; a word's forms (`-s`, `-ed`, `-ing`) come on top.
const WORDS: usize = 40_000;
/// What is written about; each topic has words and a direction of its own.
const TOPICS: usize = 1_000;
const WORDS_OF_TOPIC: usize = 150;
/// How far a vector is from its topic's; two of one topic have a cosine of about 0.6.
const SPREAD: f64 = 0.8;
/// Groups that parts of the documents are for; a third of all has such a list.
const GROUPS: u64 = 20;

const FUNCTION_WORDS: [&str; 24] = [
    "the", "of", "and", "to", "a", "in", "is", "that", "for", "it", "as", "was", "with", "be", "by", "on",
    "not", "this", "are", "or", "from", "at", "which", "can",
];
const SYLLABLES: [&str; 32] = [
    "ba", "con", "der", "fi", "gra", "hel", "in", "jo", "ker", "lu", "man", "no", "or", "pa", "qui", "re",
    "sta", "tor", "u", "ver", "wil", "ex", "yo", "zen", "ble", "cha", "dro", "el", "fra", "gi", "ment", "ti",
];

/// Numbers from a seed (SplitMix64).
pub struct Numbers(u64);

impl Numbers {
    /// Numbers of their own for a thing with a number.
    pub fn of(kind: u64, n: usize) -> Self {
        let mut numbers = Self((kind << 48) ^ n as u64);
        numbers.next();
        Self(numbers.next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// Evenly between 0 and 1.
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Normally distributed, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.share()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.share()).cos()
    }
}

/// Ranks whose frequency falls as Zipf and Mandelbrot say: 1 / (rank + 2.7).
struct Ranks(Vec<f64>);

impl Ranks {
    fn new(count: usize) -> Self {
        let mut sum = 0.0;
        let sums = (0..count).map(|rank| {
            sum += 1.0 / (rank as f64 + 2.7);
            sum
        });
        Self(sums.collect())
    }

    fn draw(&self, numbers: &mut Numbers) -> usize {
        let at = numbers.share() * self.0.last().copied().unwrap_or_default();
        self.0.partition_point(|sum| *sum <= at).min(self.0.len() - 1)
    }
}

/// So many documents of so many chunks each.
pub struct Corpus {
    /// Whose the documents are.
    pub organization: OrganizationId,
    /// How many there are.
    pub documents: usize,
    /// How many chunks each has.
    pub chunks: usize,
    words: Ranks,
    of_topic: Ranks,
    directions: Vec<Vec<f64>>,
}

/// A question with the vector that a model would give it.
pub struct Question {
    /// Its text.
    pub text: String,
    /// Near the vectors of one topic.
    pub vector: Vec<f32>,
}

impl Corpus {
    /// A corpus of an organisation.
    pub fn new(organization: &str, documents: usize, chunks: usize) -> Self {
        let direction = |topic| {
            let mut numbers = Numbers::of(1, topic);
            let direction: Vec<f64> = (0..DIMENSION).map(|_| numbers.normal()).collect();
            let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
            direction.iter().map(|x| x / length).collect()
        };
        Self {
            organization: organization.into(),
            documents,
            chunks,
            words: Ranks::new(WORDS),
            of_topic: Ranks::new(WORDS_OF_TOPIC),
            directions: (0..TOPICS).map(direction).collect(),
        }
    }

    /// Who asks: a member of all groups, so that every document is searched.
    pub fn reader(&self) -> Access {
        Access::user(self.organization.clone(), "reader", (0..GROUPS).map(|group| format!("g{group}")))
    }

    /// The document of a number.
    pub fn document(&self, n: usize) -> Document {
        let mut numbers = Numbers::of(2, n);
        let topic = numbers.below(TOPICS);
        let acl = match numbers.below(3) {
            0 => AccessList::Restricted {
                users: [].into(),
                groups: [format!("g{}", numbers.next() % GROUPS)].into(),
            },
            _ => AccessList::Public,
        };
        let chunks = (0..self.chunks).map(|_| {
            let text = self.text(topic, &mut numbers);
            let heading = self.word(topic, &mut numbers);
            let embedding = self.vector(topic, &mut numbers);
            Chunk { start: 0, end: text.len(), headings: vec![heading], text, embedding }
        });
        Document {
            id: format!("{IDS}{n:06}").into(),
            organization: self.organization.clone(),
            source: format!("docs/{n:06}.md"),
            chunks: chunks.collect(),
            title: self.word(topic, &mut numbers),
            url: None,
            acl,
            content_hash: n.to_string(),
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    /// The question of a number: two to five words of a topic, asked as a person asks.
    pub fn question(&self, n: usize) -> Question {
        let mut numbers = Numbers::of(3, n);
        let topic = numbers.below(TOPICS);
        let count = 2 + numbers.below(4);
        let words: Vec<String> = (0..count).map(|_| self.word(topic, &mut numbers)).collect();
        let text = format!("How can I {} the {}?", words[0], words[1..].join(" "));
        Question { text, vector: self.vector(topic, &mut numbers) }
    }

    fn vector(&self, topic: usize, numbers: &mut Numbers) -> Vec<f32> {
        let spread = SPREAD / (DIMENSION as f64).sqrt();
        let around = self.directions[topic].iter().map(|x| (x + spread * numbers.normal()) as f32);
        let mut vector: Vec<f32> = around.collect();
        normalise(&mut vector);
        vector
    }

    /// About a hundred words in sentences.
    fn text(&self, topic: usize, numbers: &mut Numbers) -> String {
        let mut text = String::new();
        for _ in 0..6 + numbers.below(5) {
            for place in 0..8 + numbers.below(9) {
                let word = match numbers.below(5) {
                    0 | 1 => FUNCTION_WORDS[numbers.below(FUNCTION_WORDS.len())].to_owned(),
                    _ => self.word(topic, numbers),
                };
                match place {
                    0 => text.extend(word.chars().take(1).map(|first| first.to_ascii_uppercase())),
                    _ => text.extend([' '].into_iter().chain(word.chars().take(1))),
                }
                text.extend(word.chars().skip(1));
            }
            text.push_str(". ");
        }
        text
    }

    /// A word of the topic or of the whole language.
    fn word(&self, topic: usize, numbers: &mut Numbers) -> String {
        let rank = match numbers.below(3) {
            0 => Numbers::of(4, topic * WORDS_OF_TOPIC + self.of_topic.draw(numbers)).below(WORDS),
            _ => self.words.draw(numbers),
        };
        let mut letters = Numbers::of(5, rank);
        let mut word = String::new();
        for _ in 0..2 + letters.below(3) {
            word.push_str(SYLLABLES[letters.below(SYLLABLES.len())]);
        }
        word.push_str(["", "", "", "s", "ed", "ing"][numbers.below(6)]);
        word
    }
}
