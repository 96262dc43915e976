package org.paddleprune.lite;

import android.app.Activity;
import android.content.Intent;
import android.graphics.Bitmap;
import android.graphics.BitmapFactory;
import android.graphics.Canvas;
import android.graphics.Color;
import android.graphics.Matrix;
import android.graphics.Paint;
import android.media.ExifInterface;
import android.net.Uri;
import android.os.Bundle;
import android.provider.MediaStore;
import android.view.View;
import android.widget.AdapterView;
import android.widget.ArrayAdapter;
import android.widget.ImageView;
import android.widget.Spinner;
import android.widget.TextView;
import com.baidu.paddle.lite.PowerMode;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;
import org.paddleprune.lite.core.Manifest;
import org.paddleprune.lite.core.Picture;
import org.paddleprune.lite.core.Preprocess;
import org.paddleprune.lite.core.Results;

/** A picture from the camera or the gallery in; classes, boxes, a mask or a cut-out, and the latency, out. */
public final class MainActivity extends Activity {
    private static final int CAMERA = 1;
    private static final int GALLERY = 2;
    private static final int LONGEST = 1024; // side of a picture that is worked on, pixels

    private final ExecutorService worker = Executors.newSingleThreadExecutor();
    private Manifest manifest;
    private File modelFile;
    private LiteModel model;
    private Bitmap picture;

    @Override
    protected void onCreate(Bundle saved) {
        super.onCreate(saved);
        setContentView(R.layout.main);
        try {
            manifest = new Manifest(new String(asset("model/manifest.json"), "UTF-8"));
            modelFile = new File(getFilesDir(), "model_arm.nb");
            byte[] bytes = asset("model/model_arm.nb");
            manifest.verify("model_arm.nb", bytes);
            try (FileOutputStream out = new FileOutputStream(modelFile)) {
                out.write(bytes);
            }
        } catch (IOException | JSONException error) {
            say("The app has no usable model: " + error.getMessage());
            return;
        }
        choices(R.id.threads, new String[] {"1", "2", "4", "8"});
        choices(R.id.power, names(PowerMode.values()));
        findViewById(R.id.camera).setOnClickListener(
                view -> startActivityForResult(new Intent(MediaStore.ACTION_IMAGE_CAPTURE), CAMERA));
        findViewById(R.id.gallery).setOnClickListener(
                view -> startActivityForResult(new Intent(Intent.ACTION_GET_CONTENT).setType("image/*"), GALLERY));
    }

    @Override
    protected void onActivityResult(int request, int result, Intent data) {
        super.onActivityResult(request, result, data);
        if (result != RESULT_OK || data == null) {
            return;
        }
        try {
            Bitmap given = request == CAMERA
                    ? (Bitmap) data.getExtras().get("data")
                    : upright(data.getData());
            if (given == null) {
                throw new IOException("it is no picture");
            }
            double scale = Math.min(1.0, LONGEST / (double) Math.max(given.getWidth(), given.getHeight()));
            picture = Bitmap.createScaledBitmap(given, (int) (given.getWidth() * scale),
                    (int) (given.getHeight() * scale), true);
        } catch (IOException error) {
            say("The picture cannot be read: " + error.getMessage());
            return;
        }
        show();
    }

    /** A picture of the gallery as it is shown: cameras turn it by a tag. */
    private Bitmap upright(Uri address) throws IOException {
        int degrees = 0;
        try (InputStream in = getContentResolver().openInputStream(address)) {
            int tag = new ExifInterface(in).getAttributeInt(ExifInterface.TAG_ORIENTATION, 1);
            degrees = tag == ExifInterface.ORIENTATION_ROTATE_90 ? 90
                    : tag == ExifInterface.ORIENTATION_ROTATE_180 ? 180
                    : tag == ExifInterface.ORIENTATION_ROTATE_270 ? 270 : 0;
        }
        try (InputStream in = getContentResolver().openInputStream(address)) {
            Bitmap given = BitmapFactory.decodeStream(in);
            if (given == null || degrees == 0) {
                return given;
            }
            Matrix turn = new Matrix();
            turn.postRotate(degrees);
            return Bitmap.createBitmap(given, 0, 0, given.getWidth(), given.getHeight(), turn, true);
        }
    }

    /** Run the network on the picture in the background, then draw. */
    private void show() {
        final Bitmap current = picture;
        final LiteModel running = model;
        if (current == null || running == null) {
            return;
        }
        worker.execute(() -> {
            try {
                long start = System.nanoTime();
                int[] pixels = new int[current.getWidth() * current.getHeight()];
                current.getPixels(pixels, 0, current.getWidth(), 0, 0, current.getWidth(), current.getHeight());
                float[] image = Preprocess.run(
                        new Picture(pixels, current.getWidth(), current.getHeight()), manifest);
                long before = System.nanoTime();
                List<Results.Output> outputs = running.run(image);
                long after = System.nanoTime();
                Results results = new Results(outputs, manifest, current.getWidth(), current.getHeight());
                final Bitmap drawn = drawn(pixels, results);
                final double inside = (after - before) / 1e6;
                final double around = (System.nanoTime() - start) / 1e6 - inside;
                runOnUiThread(() -> {
                    ((ImageView) findViewById(R.id.picture)).setImageBitmap(drawn);
                    say(getString(R.string.latency, manifest.task, inside, manifest.width, manifest.height, around));
                });
            } catch (JSONException error) {
                runOnUiThread(() -> say(error.getMessage()));
            }
        });
    }

    private static Bitmap drawn(int[] pixels, Results results) throws JSONException {
        boolean matte = results.manifest.task.equals("matting");
        for (int i = 0; results.map != null && i < pixels.length; i++) {
            int value = results.map[i] & 255;
            int other = matte ? Color.rgb(0, 160, 80) : Color.HSVToColor(new float[] {value * 134 % 360, 0.78f, 0.9f});
            pixels[i] = mixed(pixels[i], other, matte ? value / 255f : 0.45f);
        }
        Bitmap bitmap = Bitmap.createBitmap(pixels, results.width, results.height, Bitmap.Config.ARGB_8888)
                .copy(Bitmap.Config.ARGB_8888, true);
        Canvas canvas = new Canvas(bitmap);
        Paint paint = new Paint(Paint.ANTI_ALIAS_FLAG);
        paint.setColor(Color.YELLOW);
        paint.setTextSize(Math.max(14f, results.width / 28f));
        paint.setStrokeWidth(Math.max(2f, results.width / 250f));
        JSONArray top = results.facts.optJSONArray("top");
        for (int i = 0; top != null && i < Math.min(3, top.length()); i++) {
            canvas.drawText(line(top.getJSONObject(i)), 8, (i + 1) * 1.2f * paint.getTextSize(), paint);
        }
        JSONArray boxes = results.facts.optJSONArray("boxes");
        for (int i = 0; boxes != null && i < boxes.length(); i++) {
            JSONArray box = boxes.getJSONObject(i).getJSONArray("box");
            float left = (float) box.getDouble(0);
            float above = (float) box.getDouble(1);
            paint.setStyle(Paint.Style.STROKE);
            canvas.drawRect(left, above, (float) box.getDouble(2), (float) box.getDouble(3), paint);
            paint.setStyle(Paint.Style.FILL);
            canvas.drawText(line(boxes.getJSONObject(i)), left, Math.max(paint.getTextSize(), above - 4), paint);
        }
        return bitmap;
    }

    private static String line(JSONObject row) throws JSONException {
        return String.format("%s %.1f %%", row.getString("label"), 100 * row.getDouble("score"));
    }

    private static int mixed(int a, int b, float share) {
        return Color.rgb(Math.round(share * Color.red(a) + (1 - share) * Color.red(b)),
                Math.round(share * Color.green(a) + (1 - share) * Color.green(b)),
                Math.round(share * Color.blue(a) + (1 - share) * Color.blue(b)));
    }

    /** A spinner whose choice loads the model anew. */
    private void choices(int id, String[] names) {
        Spinner spinner = findViewById(id);
        spinner.setAdapter(new ArrayAdapter<>(this, android.R.layout.simple_spinner_dropdown_item, names));
        spinner.setOnItemSelectedListener(new AdapterView.OnItemSelectedListener() {
            @Override
            public void onItemSelected(AdapterView<?> parent, View view, int position, long number) {
                load();
            }

            @Override
            public void onNothingSelected(AdapterView<?> parent) {}
        });
    }

    private void load() {
        Object threads = ((Spinner) findViewById(R.id.threads)).getSelectedItem();
        Object mode = ((Spinner) findViewById(R.id.power)).getSelectedItem();
        if (threads != null && mode != null) {
            model = new LiteModel(modelFile.getPath(), manifest, Integer.parseInt(threads.toString()),
                    PowerMode.valueOf(mode.toString()));
            show();
        }
    }

    private static String[] names(PowerMode[] modes) {
        String[] names = new String[modes.length];
        for (int i = 0; i < modes.length; i++) {
            names[i] = modes[i].name();
        }
        return names;
    }

    private byte[] asset(String name) throws IOException {
        try (InputStream in = getAssets().open(name)) {
            ByteArrayOutputStream out = new ByteArrayOutputStream();
            byte[] part = new byte[65536];
            for (int count = in.read(part); count > 0; count = in.read(part)) {
                out.write(part, 0, count);
            }
            return out.toByteArray();
        }
    }

    private void say(String text) {
        ((TextView) findViewById(R.id.text)).setText(text);
    }
}
