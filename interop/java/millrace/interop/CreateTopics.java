package millrace.interop;

import java.nio.file.Path;
import java.util.Map;

/**
 * Makes empty topics of one partition from which nothing is ever removed.
 *
 * <p>Usage: CreateTopics bootstrap broker-log-folder topic ...
 */
public final class CreateTopics {
    private CreateTopics() {}

    public static void main(String[] arguments) throws Exception {
        Cluster cluster = new Cluster(arguments[0], Path.of(arguments[1]));
        for (int i = 2; i < arguments.length; i++) cluster.createTopic(arguments[i], Map.of());
    }
}
