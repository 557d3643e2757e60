//! The local endpoint with the real weights, asked by the product's client: `cargo xtask services
//! embeddings -- cargo test -p smooai-smooth-operator-evals -- --ignored`. The expected numbers were
//! worked out apart from this code, in 64-bit floats over the tokeniser of the model's authors.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use smooai_smooth_operator_evals::endpoint::RERANKER;
use smooai_smooth_operator_evals::model::NAME;
use smooai_smooth_operator_llm::{
    ApiKey, Dimension, Gateway, GatewayEmbedder, GatewayReranker, GatewaySettings, Limits, PriceTable, http,
};
use smooai_smooth_operator_retrieval::{EmbedKind, Embedder, Reranker};
use std::error::Error;
use std::time::Duration;

const NEEDS: &str = "TEST_EMBEDDINGS_URL: see the first lines of tests/endpoint.rs";

#[expect(clippy::disallowed_methods, reason = "where the endpoint is, is told by whoever started it")]
#[expect(clippy::expect_used, reason = "a test fails by panicking")]
fn gateway() -> Gateway {
    let url = std::env::var("TEST_EMBEDDINGS_URL").expect(NEEDS);
    let key = Some(ApiKey::new("any"));
    let settings = GatewaySettings { url, key, prices: PriceTable::default(), limits: Limits::default() };
    Gateway::new(http::client(Duration::from_secs(5)).unwrap(), settings).unwrap()
}

fn embedder() -> GatewayEmbedder {
    GatewayEmbedder::new(gateway(), NAME, Dimension::Own(384))
}

async fn vectors(texts: &[&str]) -> Vec<Vec<f32>> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    embedder().embed(EmbedKind::Document, &texts).await.unwrap()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

fn begins_with(vector: &[f32], expected: [f32; 8]) {
    let off = vector.iter().zip(expected).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(off < 2e-5, "{:?} is not {expected:?}", &vector[..8]);
}

#[tokio::test]
#[ignore = "needs the endpoint"]
async fn vectors_are_those_of_a_computation_in_another_way() {
    let long = "The quick brown fox jumps over the lazy dog. ".repeat(60);
    let hostile = "İstanbul’da naïve café – ﬁ ½ 中文 한국어 👍🏽 x\u{200B}y C++ && <a>";
    let unknown = format!("{} unknown", "x".repeat(101));
    let german = "Die Rückgabe ist binnen 17 Tagen möglich – naïve café, 東京!";
    let got = vectors(&["This is an example sentence", german, hostile, &unknown, &long]).await;
    let expected = [
        [0.067_657, 0.063_496, 0.048_713, 0.079_305, 0.037_448, 0.002_653, 0.039_375, -0.007_098],
        [0.059_55, 0.093_837, 0.007_552, -0.009_267, 0.002_522, -0.016_468, 0.092_986, -0.000_331],
        [-0.034_948, 0.004_524, 0.026_9, 0.008_669, -0.039_779, 0.011_165, 0.051_206, -0.051_441],
        [-0.055_604, 0.039_775, 0.002_374, 0.074_009, 0.009_277, -0.007_473, 0.111_667, -0.038_349],
        // Cut after 256 pieces.
        [0.062_278, -0.057_863, 0.072_326, -0.005_959, -0.045_387, 0.005_761, -0.023_936, -0.072_952],
    ];
    for (vector, expected) in got.iter().zip(expected) {
        assert_eq!(vector.len(), 384);
        assert!((cosine(vector, vector) - 1.0).abs() < 1e-5);
        begins_with(vector, expected);
    }
}

#[tokio::test]
#[ignore = "needs the endpoint"]
async fn texts_of_like_meaning_are_near_without_a_common_word() {
    let got = vectors(&["How do I get my money back?", "Refund policy", "The parser reads tokens"]).await;
    assert!(cosine(&got[0], &got[1]) > 0.4, "{}", cosine(&got[0], &got[1]));
    assert!(cosine(&got[0], &got[2]) < 0.2, "{}", cosine(&got[0], &got[2]));
}

#[tokio::test]
#[ignore = "needs the endpoint"]
async fn a_batch_gives_what_one_by_one_gives() {
    let texts = ["short", "a text that is a little longer than the first", "", "third, with marks: …"];
    let together = vectors(&texts).await;
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(&vectors(&[text]).await[0], vector);
    }
    let many: Vec<String> = (0..300).map(|number| format!("text {number}")).collect();
    let many = embedder().embed(EmbedKind::Query, &many).await.unwrap();
    assert_eq!(many.len(), 300);
    assert_eq!(many[299], vectors(&["text 299"]).await[0]);
}

#[tokio::test]
#[ignore = "needs the endpoint"]
async fn passages_are_ordered_by_their_best_pieces() {
    let passages = [
        "The parser reads tokens from a buffer.",
        "Returns are accepted within 17 days of delivery.",
        "Express shipping takes two days.",
    ]
    .map(str::to_owned);
    let reranker = GatewayReranker::new(gateway(), RERANKER);
    let ranked = reranker.rerank("How long may goods be returned?", &passages, 2).await.unwrap();
    let places: Vec<usize> = ranked.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [1, 2]);
    assert!((ranked[0].1 - 0.617_976).abs() < 2e-5 && (ranked[1].1 - 0.385_135).abs() < 2e-5, "{ranked:?}");
}

#[tokio::test]
#[ignore = "needs the endpoint"]
async fn the_length_of_vectors_can_be_asked_for_and_faults_are_told() {
    let probed = GatewayEmbedder::probe(gateway(), NAME).await.unwrap();
    assert_eq!(probed.dimension(), 384);
    let chain = |error: &dyn Error| error.source().map_or(String::new(), ToString::to_string);
    let other = GatewayEmbedder::probe(gateway(), "other-model").await.err().unwrap();
    assert!(chain(&other).contains("there is no model \\\"other-model\\\" here"), "{}", chain(&other));
    let shorter = GatewayEmbedder::new(gateway(), NAME, Dimension::Asked(64));
    let shorter = shorter.embed(EmbedKind::Query, &["a".to_owned()]).await.unwrap_err();
    assert!(chain(&shorter).contains("gives 384 numbers"), "{}", chain(&shorter));
}
