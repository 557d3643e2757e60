//! The example runs, and says what it is there to show.

#[path = "../examples/alone.rs"]
#[expect(dead_code, reason = "its main is for cargo run")]
mod alone;

#[tokio::test]
async fn the_engine_alone_holds_a_conversation() {
    let expected = r#"person: What is 6 * 7?
call:   calculate {"left":6.0,"operator":"*","right":7.0}
result: That is 42
agent:  That is 42
person: Save it as total.
wait:   may `save` be called?
call:   save {"name":"total","value":42.0}
person: Approved
result: Saved: total is 42
agent:  Saved: total is 42
person: What is 1 / 0?
call:   calculate {"left":1.0,"operator":"/","right":0.0}
result: Nothing can be divided by zero.
agent:  Nothing can be divided by zero.
"#;
    assert_eq!(alone::conversation().await.unwrap(), expected);
}
