import Foundation
import NIOSSL
import W2VBase

/// The files of a server's certificate.
public struct ServerCertificate: Sendable {
    /// The certificate, followed by those of its issuers, in PEM.
    public var certificate: URL
    /// The certificate's private key, in PEM.
    public var key: URL

    /// Names the files.
    ///
    /// - Parameters:
    ///   - certificate: The certificate, followed by those of its issuers, in PEM.
    ///   - key: The certificate's private key, in PEM, without a passphrase.
    public init(certificate: URL, key: URL) {
        self.certificate = certificate
        self.key = key
    }

    /// Reads the files for connections with TLS 1.2 or later.
    ///
    /// - Throws: `ServerError.badCertificate` with the file's name.
    func context() throws -> NIOSSLContext {
        for file in [certificate, key] where !FileManager.default.isReadableFile(atPath: file.path) {
            let reason = FileManager.default.fileExists(atPath: file.path) ? EACCES : ENOENT
            throw ServerError.badCertificate(file.path, reason: SystemReason.of(code: reason))
        }
        let chain: [NIOSSLCertificate]
        do { chain = try NIOSSLCertificate.fromPEMFile(certificate.path) } catch {
            throw ServerError.badCertificate(certificate.path, reason: "it is not a PEM certificate")
        }
        guard !chain.isEmpty else {
            throw ServerError.badCertificate(certificate.path, reason: "it contains no PEM certificate")
        }
        let privateKey: NIOSSLPrivateKey
        do {
            // Without this, a key with a passphrase would ask for it on the terminal.
            privateKey = try NIOSSLPrivateKey(file: key.path, format: .pem) {
                (setter: NIOSSLPassphraseSetter<[UInt8]>) in
                setter([])
            }
        } catch {
            throw ServerError.badCertificate(key.path, reason: "it is not a PEM private key, or it needs a passphrase")
        }
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(privateKey))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ["http/1.1"]
        do { return try NIOSSLContext(configuration: configuration) } catch {
            throw ServerError.badCertificate(key.path, reason: "it is not the key of \(certificate.path)")
        }
    }
}
