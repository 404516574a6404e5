//! Real servers, real footage and process guards for the tests.
