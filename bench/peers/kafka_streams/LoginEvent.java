import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** The listed fields of one message, and what is wrong with them. Read into again and again. */
final class LoginEvent {
    static final int USER_ID = 0;
    static final int IP = 1;
    static final int DEVICE_ID = 2;
    static final int APP_VERSION = 3;
    static final int DEVICE_TYPE = 4;
    static final int TIMESTAMP = 5;
    static final int LOCALE = 6;
    /** In the order in which errors name them. */
    static final String[] FIELDS = {
        "user_id", "ip", "device_id", "app_version", "device_type", "timestamp", "locale"
    };
    private static final int MAX_TEXT = 1024;
    /** Digits of the smallest integer that no double holds. */
    private static final int MIN_TOO_LONG = 309;
    private static final int UNLIMITED = Integer.MAX_VALUE;

    private static final JsonFactory JSON = new JsonFactoryBuilder()
            // Else it would read UTF-16 too, and pass over a byte-order mark.
            .disable(JsonFactory.Feature.CHARSET_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNameLength(UNLIMITED)
                    .maxStringLength(UNLIMITED)
                    .maxNumberLength(UNLIMITED)
                    .build())
            .build();
    private static final VarHandle LONGS =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);
    private static final long HIGH_BITS = 0x8080808080808080L;
    private static final long LOW_BITS = 0x0101010101010101L;
    private static final long BACKSLASHES = 0x5c5c5c5c5c5c5c5cL;

    /** What each field is; null: it is absent. */
    private final JsonToken[] tokens = new JsonToken[FIELDS.length];
    /** Strings, and the timestamp's number as it came. */
    private final String[] texts = new String[FIELDS.length];

    /** Raises IOException for whatever is a parse_error. */
    void read(byte[] value) throws IOException {
        Arrays.fill(tokens, null);
        boolean mayHoldBadText = holdsOtherThanPlainAscii(value);
        if (mayHoldBadText) {
            // Jackson itself takes overlong forms and surrogates.
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value));
        }
        try (JsonParser parser = JSON.createParser(value)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new IOException("the message is JSON but not an object");
            }
            for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
                int field = fieldOf(name);
                JsonToken token = parser.nextToken();
                if (mayHoldBadText) {
                    checkSurrogates(name);
                }
                if (field >= 0) {
                    tokens[field] = token;
                    if (token == JsonToken.VALUE_STRING || (field == TIMESTAMP && token.isNumeric())) {
                        texts[field] = parser.getText();
                    }
                }
                checkValue(parser, token, mayHoldBadText);
            }
            if (parser.nextToken() != null) {
                throw new IOException("the message goes on after its end");
            }
        }
    }

    boolean isPresent(int field) {
        return tokens[field] != null;
    }

    /** The text of a field that `isValid`. */
    String text(int field) {
        return texts[field];
    }

    boolean isNumber(int field) {
        return tokens[field].isNumeric();
    }

    boolean isEmptyString(int field) {
        return tokens[field] == JsonToken.VALUE_STRING && texts[field].isEmpty();
    }

    boolean isMissing(int field) {
        JsonToken token = tokens[field];
        return token == null || token == JsonToken.VALUE_NULL || isEmptyString(field);
    }

    boolean isValid(int field) {
        return !isMissing(field) && whatIsWrong(field) == null;
    }

    /** The fields that are missing, for people; null: none is. */
    String missing() {
        StringBuilder missing = null;
        for (int field = 0; field < FIELDS.length; field++) {
            if (isMissing(field)) {
                missing = (missing == null ? new StringBuilder("missing: ") : missing.append(", "));
                missing.append(FIELDS[field]);
            }
        }
        return missing == null ? null : missing.toString();
    }

    /** The fields that are invalid though none is missing, for people; null: none is. */
    String invalid() {
        StringBuilder invalid = null;
        for (int field = 0; field < FIELDS.length; field++) {
            String problem = whatIsWrong(field);
            if (problem != null) {
                invalid = (invalid == null ? new StringBuilder() : invalid.append("; "));
                invalid.append(FIELDS[field]).append(" is ").append(problem);
            }
        }
        return invalid == null ? null : invalid.toString();
    }

    private String whatIsWrong(int field) {
        JsonToken token = tokens[field];
        if (token == JsonToken.VALUE_STRING) {
            String text = texts[field];
            if (text.length() > MAX_TEXT && text.codePointCount(0, text.length()) > MAX_TEXT) {
                return "longer than 1024 characters";
            }
            return field == TIMESTAMP && !isNumericString(text) ? "not a numeric string" : null;
        }
        if (field == TIMESTAMP) {
            return token.isNumeric() ? null : "no number or numeric string";
        }
        return "no string";
    }

    private static boolean isNumericString(String text) {
        int dot = -1;
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            if (character == '.' && dot < 0 && i > 0) {
                dot = i;
            } else if (character < '0' || character > '9') {
                return false;
            }
        }
        return dot != text.length() - 1;
    }

    private static int fieldOf(String name) {
        return switch (name) {
            case "user_id" -> USER_ID;
            case "ip" -> IP;
            case "device_id" -> DEVICE_ID;
            case "app_version" -> APP_VERSION;
            case "device_type" -> DEVICE_TYPE;
            case "timestamp" -> TIMESTAMP;
            case "locale" -> LOCALE;
            default -> -1;
        };
    }

    /** Reads to the end of the value; raises IOException for what Jackson takes and JSON does not. */
    private static void checkValue(JsonParser parser, JsonToken token, boolean mayHoldBadText)
            throws IOException {
        int depth = 0;
        while (true) {
            if (token.isStructStart()) {
                depth++;
            } else if (token.isStructEnd()) {
                depth--;
            } else if (token.isNumeric()) {
                checkNumber(parser, token);
            } else if (mayHoldBadText && (token == JsonToken.VALUE_STRING || token == JsonToken.FIELD_NAME)) {
                checkSurrogates(parser.getText());
            }
            if (depth == 0) {
                return;
            }
            token = parser.nextToken();
        }
    }

    private static void checkNumber(JsonParser parser, JsonToken token) throws IOException {
        boolean mayBeTooLarge = parser.getTextLength() >= MIN_TOO_LONG
                || (token == JsonToken.VALUE_NUMBER_FLOAT && parser.getText().toLowerCase().indexOf('e') > 0);
        if (mayBeTooLarge && Double.isInfinite(Double.parseDouble(parser.getText()))) {
            throw new IOException("the message holds a number out of range");
        }
    }

    private static void checkSurrogates(String text) throws IOException {
        for (int i = 0; i < text.length(); i++) {
            char character = text.charAt(i);
            if (Character.isHighSurrogate(character)
                    && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
                i++;
            } else if (Character.isSurrogate(character)) {
                throw new IOException("the message holds a lone surrogate");
            }
        }
    }

    /** Eight bytes at a time, since it is done for each message. */
    private static boolean holdsOtherThanPlainAscii(byte[] value) {
        int i = 0;
        for (; i + 8 <= value.length; i += 8) {
            long eight = (long) LONGS.get(value, i);
            long backslash = eight ^ BACKSLASHES;
            if (((eight | ((backslash - LOW_BITS) & ~backslash)) & HIGH_BITS) != 0) {
                return true;
            }
        }
        for (; i < value.length; i++) {
            if (value[i] < 0 || value[i] == '\\') {
                return true;
            }
        }
        return false;
    }
}
