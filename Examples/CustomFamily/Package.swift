// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "CustomFamily",
    dependencies: [.package(name: "wav2vec2", path: "../..")],
    targets: [
        .executableTarget(
            name: "CustomFamily",
            dependencies: ["W2VInterchange", "W2VObjectives", "W2VBackbone", "W2VTorch"].map {
                .product(name: $0, package: "wav2vec2")
            })
    ]
)
