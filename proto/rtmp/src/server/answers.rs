//! What a server session answers, and in which order: SRS's, which encoders and players are tested
//! against.

use super::{Config, Event, MESSAGE_STREAM_ID, Session};
use crate::{
    Status,
    command::Call,
    message::{BandwidthLimit, Control},
    status::code,
};
use amf::Value;

impl Session {
    /// Answers `_result` with nothing in it, if an answer is asked for: rtmp2sink calls
    /// `releaseStream` and `FCPublish` with 0 and would not know what is answered.
    pub(super) fn acknowledge(&mut self, transaction: f64) {
        if transaction != 0.0 {
            self.answer(transaction, Value::Undefined);
        }
    }

    pub(super) fn answer(&mut self, transaction: f64, information: Value) {
        let call = Call::Result {
            properties: Value::Null,
            information,
        };
        self.link.send_command(0, transaction, call);
    }

    /// SRS's order, which encoders are tested against: windows and chunk size before the result.
    pub(super) fn answer_connect(&mut self) {
        let Config {
            chunk_size,
            window_ack_size,
            peer_bandwidth,
            ..
        } = *self.config;
        self.link
            .send_control(&Control::WindowAckSize(window_ack_size));
        let limit = BandwidthLimit::Dynamic;
        self.link.send_control(&Control::SetPeerBandwidth {
            window: peer_bandwidth,
            limit,
        });
        self.link.send_chunk_size(chunk_size);
        let connect = self.asked_connect.take().unwrap_or_default();
        let (properties, information) = connect.accepted(&self.config.server);
        let call = Call::Result {
            properties,
            information,
        };
        self.link.send_command(0, self.asked_transaction, call);
        self.link.send_command(0, 0.0, Call::OnBandwidthDone);
    }

    pub(super) fn start_publish(&mut self) {
        self.link.expect_media(&self.config.limits);
        self.stream_begin();
        let description = format!("{} is now published", self.asked_name);
        let status = Status::notice(code::PUBLISH_START, description);
        if self.announced {
            let call = Call::OnFcPublish(status.clone());
            self.link.send_command(MESSAGE_STREAM_ID, 0.0, call);
        }
        self.send_status(status);
    }

    pub(super) fn start_play(&mut self) {
        self.stream_begin();
        let name = std::mem::take(&mut self.asked_name);
        if self.asked_reset {
            let description = format!("playing and resetting {name}");
            self.send_status(Status::notice(code::PLAY_RESET, description));
        }
        let description = format!("started playing {name}");
        self.send_status(Status::notice(code::PLAY_START, description));
        if self.client.is_flash_program {
            let access = [
                "|RtmpSampleAccess".into(),
                Value::Boolean(true),
                Value::Boolean(true),
            ];
            self.link.send_data(MESSAGE_STREAM_ID, &access);
            let start = [
                "onStatus".into(),
                Value::object([("code", code::DATA_START.into())]),
            ];
            self.link.send_data(MESSAGE_STREAM_ID, &start);
        }
    }

    pub(super) fn confirm_pause(&mut self, paused: bool) {
        if paused {
            self.send_status(Status::notice(code::PAUSE_NOTIFY, "paused"));
            self.stream_eof();
        } else {
            self.stream_begin();
            self.send_status(Status::notice(code::UNPAUSE_NOTIFY, "goes on"));
        }
        self.events.push_back(Event::Pause(paused));
    }
}
