//! The one HTTP client that everything outbound shares, cheap to build: certificates of the system are
//! read when the first HTTPS server shows its own.

use reqwest::redirect::{Attempt, Policy};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// How long a connection may take to stand, TLS included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many times a request follows a redirect, on its own host only.
const MAX_REDIRECTS: usize = 5;

/// The client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up")]
    Tls(#[source] TlsError),
    /// The HTTP library refused its settings.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
}

/// Builds the client. Call it once and clone what it gives: clones share their connections.
///
/// Besides `connect_timeout` the client sets no time limit: whoever makes a request bounds it.
///
/// # Errors
/// When a library refuses its settings, which no input of a user can bring about.
pub fn client(connect_timeout: Duration) -> Result<reqwest::Client, HttpError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls().map_err(HttpError::Tls)?)
        .user_agent(concat!("smooth-operator/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(connect_timeout)
        .redirect(Policy::custom(same_host))
        .tcp_nodelay(true)
        .build()
        .map_err(HttpError::Client)
}

/// Follows a redirect only within a host and never out of HTTPS, because a request may carry secrets in
/// headers that the HTTP library does not know to be secret.
fn same_host(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let stays = attempt.previous().last().is_some_and(|from| {
        let to = attempt.url();
        from.host_str() == to.host_str() && (from.scheme() == to.scheme() || to.scheme() == "https")
    });
    if stays && attempt.previous().len() <= MAX_REDIRECTS { attempt.follow() } else { attempt.stop() }
}

fn tls() -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let roots = LazyRoots { provider: Arc::clone(&provider), verifier: OnceLock::new() };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(roots))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

/// The platform's verifier, made at the first certificate: reading the system's roots takes longer than
/// the rest of a start-up, and a program that speaks to a local gateway never needs them.
#[derive(Debug)]
struct LazyRoots {
    provider: Arc<CryptoProvider>,
    verifier: OnceLock<Result<Verifier, TlsError>>,
}

impl LazyRoots {
    fn verifier(&self) -> Result<&Verifier, TlsError> {
        self.verifier
            .get_or_init(|| Verifier::new(Arc::clone(&self.provider)))
            .as_ref()
            .map_err(TlsError::clone)
    }
}

impl ServerCertVerifier for LazyRoots {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        self.verifier()?.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
