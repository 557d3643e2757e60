//! `ping`.

use super::Handled;
use crate::service::Service;
use crate::sink::EventSink;
use smooai_smooth_operator_protocol::{Event, PingParams, PongData, PongEvent};

pub(super) async fn ping(service: &Service, params: PingParams, sink: &mut dyn EventSink) -> Handled {
    let timestamp = service.now();
    let data = PongData { timestamp };
    sink.send(Event::Pong(PongEvent { request_id: params.request_id, timestamp, data })).await?;
    Ok(None)
}
