//! The chunker and the snippets on any text: exact offsets, nothing lost, nothing too long, never a
//! panic.

use proptest::prelude::*;
use smooai_smooth_operator_retrieval::chunk::{LONGEST, chunk, estimate_tokens, first_heading};
use smooai_smooth_operator_retrieval::{ScoredPassage, cite};
use smooai_smooth_operator_store::{ChunkRef, Passage};

fn check(text: &str) {
    let pieces = chunk(text);
    let mut covered = 0;
    let mut last_start = 0;
    for piece in &pieces {
        let inside = text.get(piece.range.clone());
        assert!(inside.is_some_and(|inside| !inside.trim().is_empty()), "{:?} of {text:?}", piece.range);
        assert!(inside.is_some_and(|inside| estimate_tokens(inside) <= LONGEST), "{:?}", piece.range);
        if piece.range.start > covered {
            let gap = &text[covered..piece.range.start];
            assert!(gap.trim().is_empty(), "{gap:?} is lost of {text:?}");
        }
        assert!(piece.range.start >= last_start && piece.range.end >= covered, "{:?}", piece.range);
        last_start = piece.range.start;
        covered = piece.range.end;
    }
    assert!(text[covered..].trim().is_empty(), "the end of {text:?} is lost");
    assert!(first_heading(text).is_none_or(|title| !title.is_empty()));
}

/// A snippet of any piece for any question is short and not empty.
fn check_snippet(text: &str, question: &str) {
    let Some(piece) = chunk(text).pop() else { return };
    let text = &text[piece.range];
    let question: String = question.chars().take(200).collect();
    let passage = Passage {
        chunk: ChunkRef { document: "d".into(), ordinal: 0 },
        source: String::new(),
        title: String::new(),
        url: None,
        headings: Vec::new(),
        text: text.to_owned(),
        start: 0,
        end: text.len(),
    };
    let cited = cite(&question, &[ScoredPassage { passage, score: 0.5 }], 8);
    let length = cited[0].snippet.chars().count();
    assert!((1..=280).contains(&length), "{length} characters are shown of {text:?}");
}

/// Lines as they occur in Markdown, and others.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "#{1,6} [a-z ]{0,20}",
        "[-*+] [a-z`*\\[\\]() ]{0,30}",
        " {0,6}[0-9]{1,3}\\. [a-z]{0,12}",
        "(`{3}|~{3})[a-z]{0,4}",
        "\\|[a-z |]{0,30}\\|",
        "\\|[-:|]{1,20}\\|",
        "> ?[a-zé配🙂 ]{0,30}",
        "\\[[a-z^]{1,5}\\]: [a-z/.]{1,20}",
        "</?[a-z]{1,6}>|<!--|-->",
        "(---|===|\\+\\+\\+|)",
        "[A-Za-z ,.!?]{0,120}",
        "[配送料金。]{0,200}",
        "\\PC{0,60}",
        "[\t\u{a0}\u{2028} \r]{0,4}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_lines(lines in prop::collection::vec(line(), 0..60), end in prop_oneof!["\n", "\r\n"]) {
        let text = lines.join(&end);
        check(&text);
        check_snippet(&text, lines.last().map_or("", String::as_str));
    }

    #[test]
    fn any_text(text in any::<String>()) {
        check(&text);
        check_snippet(&text, &text);
    }

    #[test]
    fn long_repetitions(line in line(), times in 1..400_usize, join in "[ \n]{0,2}") {
        let text = vec![line.clone(); times].join(&join);
        check(&text);
        check_snippet(&text, &line);
    }
}
