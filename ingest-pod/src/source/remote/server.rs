//! Servers that files are fetched from: any over HTTP, Amazon S3 and Google Cloud Storage and what speaks like them.

use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::path::Path;
use object_store::{Certificate, ClientOptions, GetOptions, ObjectStore, RetryConfig};
use reqwest::StatusCode;
use reqwest::header::{
    ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
};
use std::path::PathBuf;
use std::time::Duration;

use super::cache::Version;
use crate::fault::{Fault, Redactor};
use crate::source::http::client::{Client, HttpSpec, Login};

/// So long nothing may come before a connection counts as lost.
const SILENCE: Duration = Duration::from_secs(15);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);

/// Where a file is, and how to log in there.
#[derive(Clone)]
pub enum Server {
    /// Any web server.
    Http(HttpSpec),
    /// A bucket.
    Bucket(Bucket),
}

/// An object in a bucket.
#[derive(Clone)]
pub struct Bucket {
    /// Whose protocol it speaks.
    pub kind: BucketKind,
    /// Name of the bucket.
    pub bucket: String,
    /// Name of the object.
    pub object: String,
    /// Server in place of Amazon's or Google's.
    pub endpoint: Option<String>,
    /// Id and secret of an access key (S3).
    pub login: Option<Login>,
    /// A service account's key file (Google).
    pub key: Option<Key>,
    /// Own certificate authorities, PEM; in place of those of the system.
    pub ca: Option<PathBuf>,
}

/// Whose protocol a bucket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BucketKind {
    /// Amazon's.
    S3,
    /// Google's.
    Gs,
}

/// A service account's key file.
#[derive(Clone)]
pub struct Key(pub String);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(hidden)")
    }
}

/// What a server says about a file.
pub enum Answer {
    /// It is the version that is known.
    Same,
    /// It is another one.
    New(Download),
}

/// A file that is coming.
pub struct Download {
    /// Its size, where the server says it.
    pub size: Option<u64>,
    /// Which version it is.
    pub version: Version,
    body: Body,
}

enum Body {
    Http(Box<(Client, reqwest::Response)>),
    Bucket(BoxStream<'static, object_store::Result<Bytes>>),
}

impl Server {
    /// Asks for the file, unless it is the version that is known.
    pub async fn ask(
        &self,
        known: Option<&Version>,
        shown: &str,
        redactor: &Redactor,
    ) -> Result<Answer, Fault> {
        match self {
            Self::Http(spec) => ask_http(spec, known).await,
            Self::Bucket(bucket) => ask_bucket(bucket, known, shown, redactor).await,
        }
    }
}

impl Download {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self, shown: &str, redactor: &Redactor) -> Result<Option<Bytes>, Fault> {
        let silent = |_| {
            Fault::transient(
                "NoAnswer",
                format!("{shown}: nothing came for {} s", SILENCE.as_secs()),
                "check the server and the network to it; it is fetched anew by itself",
            )
        };
        match &mut self.body {
            Body::Http(both) => {
                let (client, response) = &mut **both;
                let bytes = tokio::time::timeout(SILENCE, response.chunk());
                bytes
                    .await
                    .map_err(silent)?
                    .map_err(|error| client.failed(error))
            }
            Body::Bucket(stream) => {
                let bytes = tokio::time::timeout(SILENCE, stream.try_next());
                bytes
                    .await
                    .map_err(silent)?
                    .map_err(|error| failed(&error, shown, redactor))
            }
        }
    }
}

async fn ask_http(spec: &HttpSpec, known: Option<&Version>) -> Result<Answer, Fault> {
    let client = Client::new(spec)?;
    let mut headers = HeaderMap::new();
    let mut condition = |name: HeaderName, value: Option<&String>| {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    };
    if let Some(known) = known {
        condition(IF_NONE_MATCH, known.etag.as_ref());
        condition(IF_MODIFIED_SINCE, known.modified.as_ref());
    }
    let url = client.url().clone();
    let (response, _) = client.get(&url, &headers).await.map_err(for_a_file)?;
    if response.status() == StatusCode::NOT_MODIFIED {
        return Ok(Answer::Same);
    }
    let text = |name| {
        let value = response.headers().get(name)?;
        value.to_str().ok().map(str::to_owned)
    };
    Ok(Answer::New(Download {
        size: response.content_length(),
        version: Version {
            etag: text(ETAG),
            modified: text(LAST_MODIFIED),
        },
        body: Body::Http(Box::new((client, response))),
    }))
}

/// A camera comes back; a file that is not there, or not for us, needs a person.
fn for_a_file(fault: Fault) -> Fault {
    match fault.reason {
        "StreamNotFound" => Fault::permanent(
            "FileNotFound",
            fault.message,
            "check spec.source.file.uri: the server answers, but has no such file",
        ),
        "Forbidden" => Fault {
            permanent: true,
            ..fault
        },
        _ => fault,
    }
}

async fn ask_bucket(
    bucket: &Bucket,
    known: Option<&Version>,
    shown: &str,
    redactor: &Redactor,
) -> Result<Answer, Fault> {
    let invalid = |why: String| {
        Fault::permanent(
            "InvalidCredentials",
            format!("{shown}: {}", redactor.clean(&why)),
            "check the Secret in spec.source.file.credentialsSecretRef, or the environment where none is named",
        )
    };
    let store = match bucket.kind {
        BucketKind::S3 => s3(bucket).map(|store| Box::new(store) as Box<dyn ObjectStore>),
        BucketKind::Gs => gs(bucket).map(|store| Box::new(store) as Box<dyn ObjectStore>),
    };
    let store = store.map_err(|error| match error {
        Unusable::Store(error) => invalid(error.to_string()),
        Unusable::Certificate(fault) => fault,
    })?;
    let path = Path::parse(&bucket.object).map_err(|error| {
        Fault::permanent(
            "FileNotFound",
            format!("{shown}: {error}"),
            "check spec.source.file.uri",
        )
    })?;
    let options = GetOptions {
        if_none_match: known.and_then(|known| known.etag.clone()),
        ..GetOptions::default()
    };
    match store.get_opts(&path, options).await {
        Ok(found) => Ok(Answer::New(Download {
            size: Some(found.meta.size),
            version: Version {
                etag: found.meta.e_tag.clone(),
                modified: None,
            },
            body: Body::Bucket(found.into_stream().boxed()),
        })),
        Err(object_store::Error::NotModified { .. }) => Ok(Answer::Same),
        Err(error) => Err(failed(&error, shown, redactor)),
    }
}

fn failed(error: &object_store::Error, shown: &str, redactor: &Redactor) -> Fault {
    use object_store::Error;
    let credentials =
        "check the Secret in spec.source.file.credentialsSecretRef and what the bucket allows it";
    match error {
        Error::NotFound { .. } => Fault::permanent(
            "FileNotFound",
            format!("{shown}: there is no such bucket or no such object in it"),
            "check spec.source.file.uri",
        ),
        Error::PermissionDenied { .. } => Fault::permanent(
            "Forbidden",
            format!("{shown}: the server does not permit to read it"),
            credentials,
        ),
        Error::Unauthenticated { .. } => Fault::permanent(
            "Unauthorized",
            format!("{shown}: the server refuses the credentials"),
            credentials,
        ),
        other => {
            let text: String = redactor
                .clean(&other.to_string())
                .chars()
                .take(400)
                .collect();
            Fault::transient(
                "Unreachable",
                format!("{shown}: {text}"),
                "check the network, and spec.source.file.endpoint where one is set; it is asked again by itself",
            )
        }
    }
}

enum Unusable {
    Store(object_store::Error),
    Certificate(Fault),
}

impl From<object_store::Error> for Unusable {
    fn from(error: object_store::Error) -> Self {
        Self::Store(error)
    }
}

fn s3(bucket: &Bucket) -> Result<object_store::aws::AmazonS3, Unusable> {
    let mut builder = AmazonS3Builder::from_env();
    if let Some(login) = &bucket.login {
        let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
        // Nothing else of the environment: it may belong to another account.
        builder = AmazonS3Builder::new()
            .with_access_key_id(&login.user)
            .with_secret_access_key(&login.password)
            .with_region(region.unwrap_or_else(|| "us-east-1".to_owned()));
    }
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    Ok(builder
        .with_bucket_name(&bucket.bucket)
        .with_retry(retries())
        .with_client_options(options(bucket)?)
        .build()?)
}

fn gs(bucket: &Bucket) -> Result<object_store::gcp::GoogleCloudStorage, Unusable> {
    let mut builder = match &bucket.key {
        Some(key) => GoogleCloudStorageBuilder::new().with_service_account_key(&key.0),
        None => GoogleCloudStorageBuilder::from_env(),
    };
    if let Some(endpoint) = &bucket.endpoint {
        builder = builder.with_base_url(endpoint.trim_end_matches('/'));
    }
    Ok(builder
        .with_bucket_name(&bucket.bucket)
        .with_retry(retries())
        .with_client_options(options(bucket)?)
        .build()?)
}

/// The camera's own backoff does the rest, and tells that it does.
fn retries() -> RetryConfig {
    RetryConfig {
        max_retries: 1,
        retry_timeout: Duration::from_secs(20),
        ..RetryConfig::default()
    }
}

fn options(bucket: &Bucket) -> Result<ClientOptions, Unusable> {
    let plain = bucket
        .endpoint
        .as_ref()
        .is_some_and(|endpoint| endpoint.starts_with("http://"));
    let mut options = ClientOptions::new()
        .with_allow_http(plain)
        .with_connect_timeout(CONNECT_WITHIN)
        // A large file takes its time; silence is what counts.
        .with_timeout_disabled()
        .with_read_timeout(SILENCE);
    if let Some(ca) = &bucket.ca {
        let invalid = |why: String| {
            Unusable::Certificate(Fault::transient(
                "InvalidCertificate",
                format!("ca.crt cannot be used: {why}"),
                "put one or more PEM certificates into the key ca.crt of the Secret",
            ))
        };
        let pem = std::fs::read(ca).map_err(|error| invalid(error.to_string()))?;
        let found =
            Certificate::from_pem_bundle(&pem).map_err(|error| invalid(error.to_string()))?;
        options = options.with_no_system_certificates(true);
        for certificate in found {
            options = options.with_root_certificate(certificate);
        }
    }
    Ok(options)
}
