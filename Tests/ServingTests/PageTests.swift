import Foundation
import Testing

@testable import W2VServing

/// The page as files.
///
/// `make check-page` tries the page itself in a browser.
@Suite struct PageTests {
    /// The files in the sources.
    private static let sources: [String: String] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(
            path: "../../Sources/Use/Serving/Page")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return Dictionary(
            uniqueKeysWithValues: files.compactMap { file in
                (try? String(contentsOf: file, encoding: .utf8)).map { (file.lastPathComponent, $0) }
            })
    }()

    @Test func everyFileIsServed() async throws {
        #expect(Self.sources.count > 10)
        try await withServer { running in
            for (name, text) in Self.sources {
                let reply = try await running.send("GET", name == "index.html" ? "/" : "/page/\(name)")
                #expect(reply.status == 200 && reply.text == text, "\(name)")
                #expect(reply.headers["content-type"] == Self.types[String(name.split(separator: ".")[1])], "\(name)")
                #expect(reply.headers["x-content-type-options"] == "nosniff")
            }
            let head = try await running.send("HEAD", "/")
            #expect(
                head.status == 200
                    && head.headers["content-length"] == Self.sources["index.html"].map { "\($0.utf8.count)" })
            for name in ["nothing.js", "index.html", "..%2Findex.html", "%2e%2e/nothing.js"] {
                #expect(try await running.send("GET", "/page/\(name)").status == 404, "\(name)")
            }
        }
    }

    private static let types = [
        "html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
    ]

    @Test func whatFilesNameIsThere() {
        for (name, text) in Self.sources {
            for match in text.matches(of: #/(?:from |addModule\()"(?:\./|page/)([^"]+)"/#) {
                #expect(Self.sources[String(match.1)] != nil, "\(name) imports \(match.1)")
            }
            for match in text.matches(of: #/(?:href|src)="(?:page/)([^"]+)"/#) {
                #expect(Self.sources[String(match.1)] != nil, "\(name) loads \(match.1)")
            }
        }
    }

    @Test func thePolicyAllowsOnlyTheServer() async throws {
        try await withServer { running in
            let reply = try await running.send("GET", "/")
            let policy = try #require(reply.headers["content-security-policy"])
            let rules = policy.split(separator: "; ").map { $0.split(separator: " ").map(String.init) }
            #expect(rules.first == ["default-src", "'none'"])
            for rule in rules {
                for source in rule.dropFirst() {
                    #expect(["'none'", "'self'", "data:", "blob:"].contains(source), "\(rule)")
                }
            }
        }
    }

    /// Text that a policy refuses: other hosts, and scripts and styles within the document.
    @Test func nothingNeedsWhatThePolicyRefuses() {
        for (name, text) in Self.sources {
            #expect(!text.contains(#/https?:\/\/|["'(]\/\/[a-z]/#), "\(name) names another host")
            #expect(
                !text.contains(#/\b(eval|Function)\(|innerHTML|outerHTML|insertAdjacentHTML|document\.write/#),
                "\(name)")
        }
        let document = Self.sources["index.html"] ?? ""
        #expect(!document.contains(#/<style|\sstyle=|\son[a-z]+=|<script(?![^>]*src=)/#))
    }
}
