//! nginx-rtmp: a server that is not ours, standing for a commercial CDN, and a yardstick.

use std::{fs, net::SocketAddr, time::Duration};

use anyhow::{Context, Result};

use crate::{
    http, port,
    process::{Invocation, Process, scratch},
    wait::eventually,
};

const READY_WITHIN: Duration = Duration::from_secs(10);

/// A running nginx-rtmp with the application `live` and a statistics page.
#[derive(Debug)]
pub struct Nginx {
    /// nginx itself, one process.
    pub process: Process,
    rtmp: SocketAddr,
    http: SocketAddr,
}

/// What its statistics page says of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// The name without the application.
    pub name: String,
    /// Publisher and players together.
    pub clients: u32,
    /// Whether somebody publishes it now.
    pub is_published: bool,
}

impl Nginx {
    /// Starts it and waits until it answers.
    ///
    /// # Errors
    /// If it is not installed or does not answer in time.
    pub async fn rtmp() -> Result<Self> {
        let folder = scratch()?;
        let (rtmp, http) = (port::free(), port::free());
        let path = folder.path().display();
        let config = format!(
            "daemon off; master_process off; worker_processes 1;\n\
             load_module /usr/lib/nginx/modules/ngx_rtmp_module.so;\n\
             error_log stderr info; pid {path}/nginx.pid;\n\
             events {{ worker_connections 4096; }}\n\
             rtmp {{ access_log off; server {{ listen {rtmp}; \
             application live {{ live on; }} }} }}\n\
             http {{ access_log off; client_body_temp_path {path}/body; \
             proxy_temp_path {path}/proxy; fastcgi_temp_path {path}/fastcgi; \
             uwsgi_temp_path {path}/uwsgi; scgi_temp_path {path}/scgi; \
             server {{ listen {http}; location = /stat {{ rtmp_stat all; }} }} }}\n"
        );
        let file = folder.path().join("nginx.conf");
        fs::write(&file, config)?;
        let prefix = folder.path().to_path_buf();
        let nginx = Invocation::new("nginx")
            .arg("-p")
            .arg(prefix)
            .args(["-e", "stderr", "-c"])
            .arg(file);
        let mut nginx = Self {
            process: Process::start_in(folder, nginx)?,
            rtmp,
            http,
        };
        nginx.ready().await?;
        Ok(nginx)
    }

    /// Starts it again at the same ports, and waits until it answers.
    ///
    /// # Errors
    /// If it does not answer in time.
    pub async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.ready().await
    }

    async fn ready(&mut self) -> Result<()> {
        match eventually(READY_WITHIN, async || self.statistics().await).await {
            Ok(_) => Ok(()),
            Err(error) => Err(error.context(self.process.tail())),
        }
    }

    /// Where it speaks RTMP.
    pub fn address(&self) -> SocketAddr {
        self.rtmp
    }

    /// `rtmp://…/PATH`; the application of a path is `live`.
    pub fn url(&self, path: &str) -> String {
        format!("rtmp://{}/{path}", self.rtmp)
    }

    /// All streams that it knows.
    ///
    /// # Errors
    /// If it does not answer, or not as it should.
    pub async fn statistics(&self) -> Result<Vec<Statistics>> {
        read_statistics(&http::get_ok(&format!("http://{}/stat", self.http)).await?)
    }

    /// One stream; None if it knows none of that name.
    ///
    /// # Errors
    /// As for [`Self::statistics`].
    pub async fn stream(&self, name: &str) -> Result<Option<Statistics>> {
        Ok(self
            .statistics()
            .await?
            .into_iter()
            .find(|stream| stream.name == name))
    }
}

/// The page is XML of one known shape; three elements of it are of use.
fn read_statistics(page: &str) -> Result<Vec<Statistics>> {
    let body = |text: &str, element: &str| {
        let (_, rest) = text.split_once(&format!("<{element}>"))?;
        let (body, _) = rest.split_once(&format!("</{element}>"))?;
        Some(body.to_owned())
    };
    page.split("<stream>")
        .skip(1)
        .map(|stream| {
            // A stream's own elements and its clients' end where the next stream begins.
            let (stream, _) = stream
                .split_once("</stream>")
                .context("a stream without end")?;
            Ok(Statistics {
                name: body(stream, "name").context("a stream without name")?,
                clients: body(stream, "nclients")
                    .context("a stream without nclients")?
                    .parse()?,
                is_published: stream.contains("<publishing/>"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statistics_page_is_read() {
        let page = "<rtmp><server><application><name>live</name><live>\
            <stream><name>cam</name><client><id>1</id></client><nclients>2</nclients><publishing/>\
            <active/></stream><stream><name>gone</name><nclients>1</nclients></stream>\
            <nclients>3</nclients></live></application></server></rtmp>";
        let stream = |name: &str, clients, is_published| Statistics {
            name: name.into(),
            clients,
            is_published,
        };
        let read = read_statistics(page).expect("it is a page of nginx-rtmp");
        assert_eq!(read, [stream("cam", 2, true), stream("gone", 1, false)]);
    }
}
