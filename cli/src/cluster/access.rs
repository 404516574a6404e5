//! The way to the API server.

use std::fmt::Debug;
use std::time::Duration;

use kube::api::{Api, ListParams, ObjectList};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde::de::DeserializeOwned;

use super::ClusterError;
use crate::args::PlaceArgs;

const CONNECT: Duration = Duration::from_secs(5);
/// Until an answer is complete.
const ANSWER: Duration = Duration::from_secs(20);
const PAGE: u32 = 500;

/// An API server, as a user of the kubeconfig sees it.
#[derive(Clone)]
pub struct Cluster {
    /// Speaks to it.
    pub client: Client,
    /// The namespace that is meant where none is named.
    pub namespace: String,
    /// The context of the kubeconfig, for people.
    pub context: String,
}

impl Cluster {
    /// Reads the kubeconfig, or inside a pod its service account.
    pub async fn open(args: &PlaceArgs) -> Result<Self, ClusterError> {
        // Does nothing when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (mut config, context) = config(args).await?;
        config.connect_timeout = Some(CONNECT);
        config.default_retry = false;
        let namespace = args
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let client =
            Client::try_from(config).map_err(|error| ClusterError::Config(super::words(&error)))?;
        Ok(Self {
            client,
            namespace,
            context,
        })
    }

    /// One request, with an end.
    pub async fn ask<T>(
        &self,
        what: impl FnOnce() -> String,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ClusterError> {
        match tokio::time::timeout(ANSWER, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(ClusterError::Api {
                what: what(),
                source: Box::new(source),
            }),
            Err(_) => Err(ClusterError::Silent {
                what: what(),
                seconds: ANSWER.as_secs(),
            }),
        }
    }

    /// A whole list, page by page.
    pub async fn list<K>(
        &self,
        api: &Api<K>,
        what: &str,
        labels: &str,
    ) -> Result<Vec<K>, ClusterError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut found = Vec::new();
        let mut parameters = ListParams::default().labels(labels).limit(PAGE);
        loop {
            let page: ObjectList<K> = self
                .ask(|| format!("list {what}"), api.list(&parameters))
                .await?;
            found.extend(page.items);
            match page.metadata.continue_ {
                Some(token) if !token.is_empty() => parameters = parameters.continue_token(&token),
                _ => return Ok(found),
            }
        }
    }
}

async fn config(args: &PlaceArgs) -> Result<(Config, String), ClusterError> {
    let failed = |error: &dyn std::error::Error| ClusterError::Config(error.to_string());
    let read = match &args.kubeconfig {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        Err(error) => {
            let named = args.kubeconfig.is_some() || args.context.is_some();
            return match Config::incluster() {
                Ok(config) if !named => Ok((config, "in-cluster".to_owned())),
                _ => Err(failed(&error)),
            };
        }
    };
    let context = args.context.clone().or(kubeconfig.current_context.clone());
    let options = KubeConfigOptions {
        context: args.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|error| failed(&error))?;
    Ok((config, context.unwrap_or_default()))
}
