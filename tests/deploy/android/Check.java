import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import org.paddleprune.lite.core.Manifest;
import org.paddleprune.lite.core.Picture;
import org.paddleprune.lite.core.Preprocess;
import org.paddleprune.lite.core.Results;

/** Runs the app's core without Android: Check MANIFEST PIXELS TENSOR OUTPUTS RESULT MAP, or Check MANIFEST MODEL. */
public final class Check {
    public static void main(String[] files) throws Exception {
        Manifest manifest = new Manifest(new String(Files.readAllBytes(Paths.get(files[0])), "UTF-8"));
        if (files.length == 2) {
            manifest.verify("model_arm.nb", Files.readAllBytes(Paths.get(files[1])));
            return;
        }
        int width;
        int height;
        int[] pixels;
        try (DataInputStream in = new DataInputStream(new FileInputStream(files[1]))) {
            width = in.readInt();
            height = in.readInt();
            pixels = new int[width * height];
            for (int i = 0; i < pixels.length; i++) {
                pixels[i] = in.readInt();
            }
        }
        float[] tensor = Preprocess.run(new Picture(pixels, width, height), manifest);
        try (DataOutputStream out = new DataOutputStream(new java.io.BufferedOutputStream(new FileOutputStream(files[2])))) {
            for (float value : tensor) {
                out.writeFloat(value);
            }
        }
        List<Results.Output> outputs = new ArrayList<>();
        for (String line : Files.readAllLines(Paths.get(files[3]))) {
            String[] words = line.split(" ");
            int axes = Integer.parseInt(words[1]);
            long[] shape = new long[axes];
            for (int i = 0; i < axes; i++) {
                shape[i] = Long.parseLong(words[2 + i]);
            }
            float[] values = new float[words.length - 2 - axes];
            for (int i = 0; i < values.length; i++) {
                values[i] = Float.parseFloat(words[2 + axes + i]);
            }
            outputs.add(new Results.Output(shape, values));
        }
        Results results = new Results(outputs, manifest, width, height);
        Files.write(Paths.get(files[4]), results.facts.toString().getBytes("UTF-8"));
        Files.write(Paths.get(files[5]), results.map == null ? new byte[0] : results.map);
    }
}
