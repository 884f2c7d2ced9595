//! Signatures, as the library of TLS checks them. The library of JWT is told how: it brings no cryptography along.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{self, ErrorKind},
};
use ring::signature::{
    self as signatures, EcdsaVerificationAlgorithm, EdDSAParameters, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey,
};
use signature::{Error, Verifier};

/// It checks, and never signs.
static CHECKS: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| check(*algorithm, key),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes the library check by these functions.
pub fn install() {
    // If they are there already, all is well.
    let _ = CHECKS.install_default();
}

/// How signatures of an algorithm are checked.
#[derive(Clone, Copy)]
enum Means {
    Rsa(&'static RsaParameters),
    Curve(&'static EcdsaVerificationAlgorithm),
    Edwards(&'static EdDSAParameters),
}

/// The means for an algorithm; none for those with a secret that both sides know. RSA is taken from 2048 bits on.
fn means(algorithm: Algorithm) -> Option<Means> {
    Some(match algorithm {
        Algorithm::RS256 => Means::Rsa(&signatures::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Means::Rsa(&signatures::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Means::Rsa(&signatures::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Means::Rsa(&signatures::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Means::Rsa(&signatures::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Means::Rsa(&signatures::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => Means::Curve(&signatures::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Means::Curve(&signatures::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Means::Edwards(&signatures::ED25519),
        _ => return None,
    })
}

struct Check {
    algorithm: Algorithm,
    means: Means,
    key: DecodingKey,
}

fn check(algorithm: Algorithm, key: &DecodingKey) -> errors::Result<Box<dyn JwtVerifier>> {
    let means = means(algorithm).filter(|_| key.family() == algorithm.family()).ok_or(ErrorKind::InvalidAlgorithm)?;
    Ok(Box::new(Check { algorithm, means, key: key.clone() }))
}

impl Verifier<Vec<u8>> for Check {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), Error> {
        let checked = match (self.means, self.key.kind()) {
            (Means::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Means::Curve(algorithm), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
            (Means::Edwards(algorithm), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(algorithm, point).verify(message, signature)
            }
            _ => return Err(Error::new()),
        };
        checked.map_err(|_| Error::new())
    }
}

impl JwtVerifier for Check {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
