//! Answers while documents are put and deleted are those of a state that there was.

use smooai_smooth_operator_adapter_sqlite::open;
use smooai_smooth_operator_retrieval::analyse::Language;
use smooai_smooth_operator_retrieval::suite::answers_while_written;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_is_of_a_state_between_question_and_answer() {
    let folder = tempfile::tempdir().unwrap();
    let sqlite = open(folder.path(), Language::English).await.unwrap();
    for seed in 0..3 {
        answers_while_written(sqlite.adapter().knowledge, seed).await;
    }
}
