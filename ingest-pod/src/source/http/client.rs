//! An HTTP client for cameras and media servers: Basic and Digest login, redirects, and failures in words.

use data_encoding::BASE64;
use digest_auth::{AuthContext, WwwAuthenticateHeader};
use reqwest::header::{AUTHORIZATION, HeaderMap, LOCATION, WWW_AUTHENTICATE};
use reqwest::{Certificate, Response, StatusCode, Url};
use rustls::CertificateError;
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::challenge::challenges;
use crate::fault::{Fault, Redactor};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// From the request to the headers of the answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const MOST_REDIRECTS: usize = 5;

/// A server, with what was read from its Secret for this attempt.
#[derive(Clone)]
pub struct HttpSpec {
    /// The whole URL. May itself be a secret.
    pub url: String,
    /// What may be shown of it: scheme, host, port and, unless it is a secret, path.
    pub shown: String,
    /// User name and password.
    pub login: Option<Login>,
    /// Own certificate authorities, PEM; in place of those of the system.
    pub ca: Option<PathBuf>,
    /// The field that names the Secret, for remedies.
    pub field: String,
    /// Hides the secrets of this camera in texts from outside.
    pub redactor: Redactor,
}

/// User name and password.
#[derive(Clone)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login(hidden)")
    }
}

/// How the server wants to be told the password.
enum Scheme {
    Basic,
    Digest(Box<WwwAuthenticateHeader>),
}

/// Asks one server, and those that it sends us to.
pub struct Client {
    spec: HttpSpec,
    url: Url,
    http: reqwest::Client,
    /// Learned from the first refusal, used at once from then on.
    scheme: Mutex<Option<Scheme>>,
}

impl Client {
    /// Reads the certificates; connects to nothing yet.
    pub fn new(spec: &HttpSpec) -> Result<Self, Fault> {
        let url = Url::parse(&spec.url).map_err(|error| {
            Fault::transient(
                "InvalidUrl",
                format!("{}: {error}", spec.shown),
                "correct the URL",
            )
        })?;
        let mut builder = reqwest::Client::builder()
            .http1_only()
            // A camera is in the same network; what the environment says of proxies is for other programs.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .user_agent(concat!("stream-hub/", env!("CARGO_PKG_VERSION")));
        if let Some(ca) = &spec.ca {
            builder = builder.tls_certs_only(certificates(ca)?);
        }
        let http = builder.build().map_err(|error| {
            Fault::transient(
                "Internal",
                format!("no HTTP client: {}", told(error)),
                "report this",
            )
        })?;
        Ok(Self {
            spec: spec.clone(),
            url,
            http,
            scheme: Mutex::new(None),
        })
    }

    /// The address that it was made for.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What may be shown of the address.
    pub fn shown(&self) -> &str {
        &self.spec.shown
    }

    /// Asks for `url`. Answers other than 2xx and 304 are faults. Returns where the answer came from too: what it names
    /// is relative to that.
    pub async fn get(&self, url: &Url, headers: &HeaderMap) -> Result<(Response, Url), Fault> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let response = self.ask(&url, headers).await?;
            let status = response.status();
            if status.is_success() || status == StatusCode::NOT_MODIFIED {
                return Ok((response, url));
            }
            if !status.is_redirection() {
                return Err(self.refused(&response));
            }
            let target = response.headers().get(LOCATION);
            let target = target.and_then(|location| location.to_str().ok());
            let Some(mut next) = target.and_then(|target| url.join(target).ok()) else {
                return Err(self.invalid("it redirects to nowhere"));
            };
            if !matches!(next.scheme(), "http" | "https") {
                return Err(self.invalid("it redirects to what is no http:// or https:// URL"));
            }
            // A server does not choose the login that we use.
            let _ = next.set_username("");
            let _ = next.set_password(None);
            url = next;
        }
        Err(self.invalid(&format!("it redirects more than {MOST_REDIRECTS} times")))
    }

    /// One request, and a second one with the password where the server wants it and is the one that it is for.
    async fn ask(&self, url: &Url, headers: &HeaderMap) -> Result<Response, Fault> {
        // The password goes to the server that the manifest names, and to no other.
        let login = self
            .spec
            .login
            .as_ref()
            .filter(|_| url.origin() == self.url.origin());
        let told_at_once = login.and_then(|login| self.authorization(login, url));
        let first = self.send(url, headers, told_at_once.as_deref()).await?;
        let (StatusCode::UNAUTHORIZED, Some(login)) = (first.status(), login) else {
            return Ok(first);
        };
        let (scheme, stale) = self.scheme(&first)?;
        if told_at_once.is_some() && !stale && matches!(scheme, Scheme::Basic) {
            return Ok(first);
        }
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = Some(scheme);
        let told = self.authorization(login, url);
        // The answer's rest would keep its connection from being used again.
        drop(first);
        self.send(url, headers, told.as_deref()).await
    }

    async fn send(
        &self,
        url: &Url,
        headers: &HeaderMap,
        authorization: Option<&str>,
    ) -> Result<Response, Fault> {
        let mut request = self.http.get(url.clone()).headers(headers.clone());
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        match tokio::time::timeout(ANSWER_WITHIN, request.send()).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.failed(error)),
            Err(_) => Err(Fault::transient(
                "NoAnswer",
                format!(
                    "{}: no answer within {} s",
                    self.spec.shown,
                    ANSWER_WITHIN.as_secs()
                ),
                "check that the server works; it is asked again by itself",
            )),
        }
    }

    /// The value of `Authorization`, where the scheme is known.
    fn authorization(&self, login: &Login, url: &Url) -> Option<String> {
        let mut scheme = self.scheme.lock().unwrap_or_else(PoisonError::into_inner);
        match scheme.as_mut()? {
            Scheme::Basic => {
                let both = format!("{}:{}", login.user, login.password);
                Some(format!("Basic {}", BASE64.encode(both.as_bytes())))
            }
            Scheme::Digest(prompt) => {
                let target = match url.query() {
                    Some(query) => format!("{}?{query}", url.path()),
                    None => url.path().to_owned(),
                };
                let context = AuthContext::new(&login.user, &login.password, target);
                prompt
                    .respond(&context)
                    .ok()
                    .map(|answer| answer.to_header_string())
            }
        }
    }

    /// The best scheme that the server offers, and whether it only wants a newer nonce.
    fn scheme(&self, response: &Response) -> Result<(Scheme, bool), Fault> {
        let offered: Vec<String> = response
            .headers()
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(challenges)
            .collect();
        let digests = offered
            .iter()
            .filter_map(|challenge| WwwAuthenticateHeader::parse(challenge).ok());
        // MD5 sorts first: the strongest is the last.
        let strength = |prompt: &WwwAuthenticateHeader| {
            prompt.algorithm.algo != digest_auth::AlgorithmType::MD5
        };
        if let Some(prompt) = digests.max_by_key(strength) {
            let stale = prompt.stale;
            return Ok((Scheme::Digest(Box::new(prompt)), stale));
        }
        let name = |challenge: &String| challenge.split(' ').next().unwrap_or_default().to_owned();
        if offered
            .iter()
            .any(|challenge| name(challenge).eq_ignore_ascii_case("basic"))
        {
            return Ok((Scheme::Basic, false));
        }
        let names: Vec<String> = offered.iter().map(name).collect();
        let names = if names.is_empty() {
            "none that it names".to_owned()
        } else {
            names.join(", ")
        };
        Err(Fault::transient(
            "Unauthorized",
            format!(
                "{}: the server wants a login by {names}, which is not supported",
                self.spec.shown
            ),
            "set the server to Basic (over https) or Digest with MD5, SHA-256 or SHA-512-256",
        ))
    }

    fn refused(&self, response: &Response) -> Fault {
        let (status, shown) = (response.status(), &self.spec.shown);
        let field = &self.spec.field;
        // The words of the server are its own; the standard ones are known to be harmless.
        let words = status.canonical_reason().unwrap_or("unknown status");
        let message = format!("{shown}: the server answers {} {words}", status.as_u16());
        match status.as_u16() {
            401 if self.spec.login.is_none() => Fault::transient(
                "Unauthorized",
                format!("{shown}: the server wants a user name and a password"),
                format!(
                    "put them into a Secret with the keys username and password, and name it in {field}"
                ),
            ),
            401 if response.url().origin() != self.url.origin() => Fault::transient(
                "Unauthorized",
                format!(
                    "{shown}: it redirects to another server, which wants a login; it is not given the password"
                ),
                "write the URL of that server",
            ),
            401 => Fault::transient(
                "Unauthorized",
                format!("{shown}: unauthorized: the server refuses the user name or password"),
                format!("check the keys username and password of the Secret in {field}"),
            ),
            403 => Fault::transient(
                "Forbidden",
                message,
                "allow it on the server, for this user and from this address",
            ),
            404 | 410 => Fault::transient(
                "StreamNotFound",
                message,
                "check the path of the URL: the server answers, but has no such stream",
            ),
            429 | 500..=599 => Fault::transient(
                "ServerError",
                message,
                "look at the server's own log; it is asked again by itself",
            ),
            _ => Fault::transient("InvalidAnswer", message, "check the URL"),
        }
    }

    /// What the server says makes no sense.
    pub fn invalid(&self, why: &str) -> Fault {
        Fault::transient(
            "InvalidAnswer",
            format!("{}: {}", self.spec.shown, self.spec.redactor.clean(why)),
            "check the URL, and what the server answers to it",
        )
    }

    /// The connection failed, or broke.
    pub fn failed(&self, error: reqwest::Error) -> Fault {
        let (connecting, timeout) = (error.is_connect(), error.is_timeout());
        let certificate = refused_certificate(&error);
        let text = self.spec.redactor.clean(&told(error));
        let message = format!("{}: {text}", self.spec.shown);
        if let Some(why) = certificate {
            return Fault::transient(
                "CertificateRefused",
                format!(
                    "{}: the server's certificate is refused: {why}",
                    self.spec.shown
                ),
                format!(
                    "put the certificate of the server's authority into the key ca.crt of the Secret in {}",
                    self.spec.field
                ),
            );
        }
        if connecting || timeout {
            return Fault::transient(
                "Unreachable",
                message,
                "check host and port of the URL, the network, and that the server is on",
            );
        }
        Fault::transient(
            "ConnectionLost",
            message,
            "check the network and the server's own log; it is connected anew by itself",
        )
    }
}

/// What an error says, and what is behind it, without the URL.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// Why TLS refused the server, if it did.
fn refused_certificate(error: &reqwest::Error) -> Option<String> {
    let mut source = error.source();
    while let Some(inner) = source {
        if let Some(rustls::Error::InvalidCertificate(why)) = tls_error(inner) {
            return Some(match why {
                CertificateError::UnknownIssuer => "no known authority signed it".to_owned(),
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "it has expired".to_owned()
                }
                CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                    "it is not valid yet".to_owned()
                }
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => {
                    "it is for another host name".to_owned()
                }
                other => other.to_string(),
            });
        }
        source = inner.source();
    }
    None
}

/// Errors of input and output wrap each other, and do not count what they hold as their source.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref() {
        return Some(found);
    }
    let inner = error.downcast_ref::<std::io::Error>()?.get_ref()?;
    tls_error(inner)
}

fn certificates(path: &PathBuf) -> Result<Vec<Certificate>, Fault> {
    let invalid = |why: String| {
        Fault::transient(
            "InvalidCertificate",
            format!("ca.crt cannot be used: {why}"),
            "put one or more PEM certificates into the key ca.crt of the Secret",
        )
    };
    let pem = std::fs::read(path).map_err(|error| invalid(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| invalid(told(error)))?;
    if found.is_empty() {
        return Err(invalid("there is no certificate in it".to_owned()));
    }
    Ok(found)
}
