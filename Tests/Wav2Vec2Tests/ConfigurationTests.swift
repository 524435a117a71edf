import TestSupport
import Testing

@testable import W2VBackbone

@Suite("Configuration", .onTestThreads)
struct ConfigurationTests {
    @Test func convolutionsReadFairseqsExpressions() throws {
        let base = try ConvolutionLayers(parsing: "[(512, 10, 5)] + [(512, 3, 2)] * 4 + [(512,2,2)] + [(512,2,2)]")
        #expect(base == ModelConfiguration().convFeatureLayers)
        #expect(base.description == "[(512,10,5)]+[(512,3,2)]*4+[(512,2,2)]*2")
        #expect(try ConvolutionLayers(parsing: base.description) == base)
        #expect(base.hop == 320 && base.receptiveField == 400)
        for (samples, frames) in [(399, 0), (400, 1), (719, 1), (720, 2), (160_000, 499)] {
            #expect(base.frames(samples: samples) == frames)
        }
    }

    @Test(arguments: [
        "", "[]", "[(512,10)]", "[(512,10,5)", "[(512,10,5)]*", "[(512,10,5)]+", "__import__('os')", "[(0,1,1)]",
        "[(512,10,5)]*100", "[(99999999999999999999,1,1)]",
    ])
    func malformedConvolutionsAreRefused(_ text: String) {
        #expect(throws: ConfigurationError.self) { try ConvolutionLayers(parsing: text) }
    }

    @Test func hourglassExpressions() throws {
        #expect(
            try HourglassLayout(parsing: "[2, (8, 4), 2]") == HourglassLayout(pre: 2, middle: 8, factor: 4, post: 2))
        #expect(throws: ConfigurationError.self) { try HourglassLayout(parsing: "[2,(8,0),2]") }
        #expect(throws: ConfigurationError.self) { try HourglassLayout(parsing: "[2,8,4,2]") }
        #expect(try HourglassLayout?(settingText: "off") == nil)
    }

    @Test func settingsReadBackWhatTheyWrite() throws {
        let table = SettingTable(ModelConfiguration.settings)
        var original = ModelConfiguration()
        original.hourglass = try HourglassLayout(pre: 1, middle: 2, factor: 3, post: 1)
        (original.dropout, original.extractorMode, original.latentTemp) = (0.25, .layerNorm, [2, 0.1, 0.9995])
        var copy = ModelConfiguration()
        for setting in table.settings { try table.set(setting.name, to: setting.text(original), in: &copy) }
        #expect(copy == original)
        #expect(Set(table.settings.map(\.name)).count == table.settings.count)
        #expect(Set(MaskingConfiguration.settings.map(\.name)).count == MaskingConfiguration.settings.count)
    }

    @Test func wrongKeysAndTypesAreExplained() throws {
        let table = SettingTable(ModelConfiguration.settings)
        var configuration = ModelConfiguration()
        #expect(throws: ConfigurationError("there is no key 'encoder_layer'", "the nearest is 'encoder_layers'")) {
            try table.set("encoder_layer", to: "3", in: &configuration)
        }
        #expect(throws: ConfigurationError("encoder_layers is 'three', where a whole number is expected")) {
            try table.set("encoder_layers", to: "three", in: &configuration)
        }
        #expect(throws: ConfigurationError("extractor_mode is 'x', where one of default, layer_norm is expected")) {
            try table.set("extractor_mode", to: "x", in: &configuration)
        }
    }

    @Test func impossibleSizesAreRefused() {
        var configuration = ModelConfiguration()
        configuration.encoderAttentionHeads = 7
        #expect(throws: ConfigurationError.self) { try configuration.validate() }
        configuration = ModelConfiguration()
        configuration.dropout = 1
        #expect(throws: ConfigurationError.self) { try configuration.validate() }
    }
}
