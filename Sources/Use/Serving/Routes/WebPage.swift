import Foundation
import NIOHTTP1

/// The web page: a document, its style and its scripts, embedded in the program.
///
/// The page uses nothing from other hosts, and its policy says so: a browser refuses everything else.
enum WebPage {
    /// The route of the style and the scripts.
    static let filesPath = "/page/{id}"

    private static let files = [
        "page.css": PackageResources.page_css, "formats.js": PackageResources.formats_js,
        "list.js": PackageResources.list_js, "main.js": PackageResources.main_js,
        "microphone.js": PackageResources.microphone_js, "peaks.js": PackageResources.peaks_js,
        "player.js": PackageResources.player_js, "recordings.js": PackageResources.recordings_js,
        "saving.js": PackageResources.saving_js, "server.js": PackageResources.server_js,
        "speech.js": PackageResources.speech_js, "transcript.js": PackageResources.transcript_js,
        "view.js": PackageResources.view_js, "waveform.js": PackageResources.waveform_js,
        "words.js": PackageResources.words_js,
    ]

    /// Returns the document.
    static func document() -> Reply {
        reply(
            PackageResources.index_html, type: "text/html",
            adding: [
                "Content-Security-Policy":
                    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
                    + "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
                "Referrer-Policy": "no-referrer",
            ])
    }

    /// Returns the style or a script.
    ///
    /// - Throws: `RequestError` for another name.
    static func file(named name: String) throws -> Reply {
        guard let bytes = files[name] else {
            throw RequestError(
                status: .notFound, type: "not_found",
                "The page has no file \(name.prefix(40))", "the page itself is at /")
        }
        return reply(bytes, type: name.hasSuffix(".css") ? "text/css" : "text/javascript")
    }

    private static func reply(_ bytes: [UInt8], type: String, adding headers: HTTPHeaders = [:]) -> Reply {
        var all: HTTPHeaders = ["X-Content-Type-Options": "nosniff", "Cache-Control": "no-cache"]
        all.add(contentsOf: headers)
        return Reply(contentType: "\(type); charset=utf-8", body: Data(bytes), headers: all)
    }
}
