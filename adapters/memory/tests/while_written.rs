//! Answers while documents are put and deleted are those of a state that there was.

use smooai_smooth_operator_adapter_memory::adapter;
use smooai_smooth_operator_retrieval::suite::answers_while_written;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_answer_is_of_a_state_between_question_and_answer() {
    for seed in 0..20 {
        answers_while_written(adapter().knowledge, seed).await;
    }
}
