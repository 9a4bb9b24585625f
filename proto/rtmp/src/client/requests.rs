//! What a client session asks for, in the order of its dialogue.

use super::{Config, Purpose, Session};
use crate::{
    command::{Call, Connect, Enhanced, PublishKind},
    message::{Control, UserControl},
};

impl Session {
    pub(super) fn send_connect(&mut self) {
        let Config { agent, vhost, .. } = &self.config;
        let (flash_ver, kind) = match self.purpose {
            // Some servers look for the name of Adobe's encoder before they let anybody publish.
            Purpose::Publish => (
                format!("FMLE/3.0 (compatible; {agent})"),
                "nonprivate".to_owned(),
            ),
            Purpose::Play => (
                format!("LNX 9,0,124,2 (compatible; {agent})"),
                String::new(),
            ),
        };
        let connect = Connect {
            app: self.url.app.clone(),
            tc_url: self.url.tc_url(vhost.as_deref()),
            flash_ver,
            kind,
            enhanced: Enhanced::passed_through(),
            ..Connect::default()
        };
        self.awaited = self.call(0, Call::Connect(Box::new(connect)));
    }

    pub(super) fn send_create(&mut self) {
        self.link
            .send_control(&Control::WindowAckSize(self.config.window_ack_size));
        if self.purpose == Purpose::Publish {
            self.link.send_chunk_size(self.config.chunk_size);
            let name = self.url.stream();
            let call = Call::ReleaseStream { name: name.clone() };
            self.call(0, call);
            self.call(0, Call::FcPublish { name });
        }
        self.awaited = self.call(0, Call::CreateStream);
    }

    pub(super) fn send_start(&mut self) {
        let name = self.url.stream();
        let id = self.message_stream_id;
        match self.purpose {
            Purpose::Publish => {
                let call = Call::Publish {
                    name,
                    kind: PublishKind::Live,
                };
                self.awaited = self.call(id, call);
            }
            Purpose::Play => {
                let call = Call::Play {
                    name,
                    start: -2.0,
                    duration: -1.0,
                    reset: true,
                };
                self.awaited = self.call(id, call);
                let millis = self.config.buffer_ms;
                let event = UserControl::SetBufferLength {
                    message_stream_id: id,
                    millis,
                };
                self.link.send_control(&Control::User(event));
            }
        }
    }

    pub(super) fn send_close(&mut self) {
        if self.purpose == Purpose::Publish {
            let call = Call::FcUnpublish {
                name: self.url.stream(),
            };
            self.call(0, call);
        }
        let call = Call::DeleteStream {
            message_stream_id: self.message_stream_id,
        };
        self.call(0, call);
    }

    /// Sends a call; says its transaction.
    fn call(&mut self, message_stream_id: u32, call: Call) -> f64 {
        self.transaction += 1.0;
        self.link
            .send_command(message_stream_id, self.transaction, call);
        self.transaction
    }
}
