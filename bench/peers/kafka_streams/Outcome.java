/** What happened to a message. */
enum Outcome {
    PROCESSED("processed", false),
    FILTERED("filtered", false),
    SKIPPED("skipped", false),
    PARSE_ERROR("parse_error", true),
    MISSING_FIELD("missing_field", true),
    INVALID_FIELD("invalid_field", true),
    TRANSFORM_ERROR("transform_error", true);

    final String label;
    final boolean isError;

    Outcome(String label, boolean isError) {
        this.label = label;
        this.isError = isError;
    }
}
